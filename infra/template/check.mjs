// Validates a CloudFormation template, SAM's transform included, against the rules and resource schemas that the package brings along.
// Exits 1 when anything worse than a remark is found.
//
//   node check.mjs ../../template.yaml
import { RegoEngine, TemplateFile } from "@aws/cloudformation-validate";

const [path] = process.argv.slice(2);
if (!path) {
  console.error("usage: node check.mjs <template>");
  process.exit(2);
}

const engine = new RegoEngine();
const report = engine.validateStandard(new TemplateFile(path));
const serious = new Set(["WARN", "ERROR", "FATAL"]);
const found = report.diagnostics.filter((d) => serious.has(d.severity));
for (const d of found) {
  console.log(`${path}: ${d.severity} ${d.ruleId} ${d.resourceId ?? ""}: ${d.message}`);
}
console.log(`${path}: ${engine.listRules().length} rules, ${report.diagnostics.length - found.length} remarks, ${found.length} findings`);
engine.free();
process.exit(found.length > 0 ? 1 : 0);
