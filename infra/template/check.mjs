// Validates a CloudFormation template, SAM's transform included, against the rules and resource schemas that the package brings along and against
// rules.guard. Exits 1 when anything worse than a remark is found, when one of the faults below is put into the template and not found, or when a code
// package is too large.
//
//   node check.mjs ../../template.yaml ../../dist
import { existsSync, readFileSync, statSync } from "node:fs";
import { RegoEngine, RuleFile, TemplateFile } from "@aws/cloudformation-validate";

const [path, dist] = process.argv.slice(2);
if (!path || !dist) {
  console.error("usage: node check.mjs <template> <folder of the code packages>");
  process.exit(2);
}
let failed = false;
const fail = (text) => {
  console.log(text);
  failed = true;
};

const engine = new RegoEngine({ guardRules: [new RuleFile(new URL("rules.guard", import.meta.url).pathname)] });
const serious = new Set(["WARN", "ERROR", "FATAL"]);
const find = (template) => engine.validateStandard(template).diagnostics.filter((d) => serious.has(d.severity));

const found = find(new TemplateFile(path));
for (const d of found) {
  fail(`${path}:${d.startLine ?? ""}: ${d.severity} ${d.ruleId} ${d.entity?.logicalId ?? ""} ${d.propertyPath ?? ""}: ${d.message}`);
}
console.log(`${path}: ${engine.listRules().length} rules, ${found.length} findings`);

// A check that finds nothing may also be one that looks at nothing.
const text = readFileSync(path, "utf8");
const faults = [
  ["a resource that does not exist", "!GetAtt BackupRole.Arn", "!GetAtt BackupRoles.Arn"],
  ["an attribute that does not exist", "!GetAtt FailedEvents.QueueName", "!GetAtt FailedEvents.Names"],
  ["a parameter that does not exist", "!Ref KeepDeletedDays", "!Ref KeepDeleted"],
  ["a condition that does not exist", "Condition: HasDrills", "Condition: HasDrill"],
  ["a property that does not exist", "MessageRetentionPeriod:", "MessageRetention:"],
  ["a value that is not allowed", "TreatMissingData: breaching", "TreatMissingData: bad"],
  ["a runtime that is gone", "Runtime: provided.al2023", "Runtime: go1.x"],
  ["a bucket without versions", "      VersioningConfiguration:\n        Status: Enabled", "      VersioningConfiguration:\n        Status: Suspended"],
  ["a bucket that could become public", "BlockPublicPolicy: true", "BlockPublicPolicy: false"],
  ["another bucket that could become public", /RestrictPublicBuckets: true([^]*)RestrictPublicBuckets: true/, "RestrictPublicBuckets: true$1RestrictPublicBuckets: false"],
  ["a queue that is not encrypted", "SqsManagedSseEnabled: true", "SqsManagedSseEnabled: false"],
];
for (const [name, from, to] of faults) {
  const seeded = text.replace(from, to);
  if (seeded === text) {
    fail(`${name}: the template does not have what is to be spoilt: ${from}`);
    continue;
  }
  let diagnostics;
  try {
    diagnostics = find({ path, readBytes: () => new TextEncoder().encode(seeded) });
  } catch (e) {
    fail(`${name}: ${e}`);
    continue;
  }
  if (diagnostics.length <= found.length) {
    fail(`${name} is not found`);
  }
}
console.log(`${path}: ${faults.length} faults seeded`);
engine.free();

// The smallest of the platforms' limits, that of FunctionGraph's console; its API and Lambda take 50 MB. package_test.go knows it, too.
const most = 40 * 1024 * 1024;
for (const name of ["backup", "restore", "console"]) {
  const zip = `${dist}/${name}.zip`;
  if (!existsSync(zip)) {
    console.log(`${zip} is not built: its size is not checked`);
    continue;
  }
  const { size } = statSync(zip);
  console.log(`${zip}: ${(size / 1e6).toFixed(1)} MB`);
  if (size > most) {
    fail(`${zip} has ${size} bytes, at most ${most} are taken`);
  }
}
process.exit(failed ? 1 : 0);
