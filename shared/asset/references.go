package asset

import (
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// References is what a job's definition needs beside itself, by name, each once, in the order in which it is met.
type References struct {
	// Dependencies are the jobs that its schedule waits for. The service refuses a job whose dependencies do not exist.
	Dependencies []string
	// Elsewhere are the jobs of other workspaces that its schedule waits for.
	Elsewhere []string
	// Called are names that nodes of types without a documented meaning hold ("SubJob", "For Each"); those that are names of jobs are sub-jobs.
	Called []string
	// Scripts are the scripts that its nodes run.
	Scripts []string
	// Files are the OBS paths that its nodes hold, which may be files of resources.
	Files []string
}

// ReferencesOf reads the references of a job's definition.
func ReferencesOf(definition []byte) References {
	var r References
	add := func(list *[]string, name string) {
		if name != "" && !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	if depend, ok := rawjson.Path(definition, "schedule", "cron", "dependJobs"); ok {
		for name := range dependencies(depend) {
			add(&r.Dependencies, name)
		}
		for name := range elsewhere(depend) {
			add(&r.Elsewhere, name)
		}
	}
	nodes, ok := rawjson.Path(definition, "nodes")
	if !ok {
		return r
	}
	for span := range rawjson.Elements(nodes) {
		node := span.In(nodes)
		if depend, ok := rawjson.Path(node, "cronTrigger", "dependJobs"); ok {
			for name := range dependencies(depend) {
				add(&r.Dependencies, name)
			}
			for name := range elsewhere(depend) {
				add(&r.Elsewhere, name)
			}
		}
		known := isKnownNodeType(rawjson.StringAt(node, "type"))
		properties, ok := rawjson.Path(node, "properties")
		if !ok {
			continue
		}
		for p := range rawjson.Elements(properties) {
			property := p.In(properties)
			value := rawjson.StringAt(property, "value")
			if _, _, ok := ParseOBSPath(value); ok {
				add(&r.Files, value)
			}
			switch {
			case rawjson.StringAt(property, "name") == "scriptName":
				add(&r.Scripts, value)
			case !known && mayBeName(value):
				add(&r.Called, value)
			}
		}
	}
	return r
}

// mayBeName tells whether a text can be the name of a job: one of at most 128 characters (Create Job page), in one line. A plan holds the references of all
// jobs at once, and need not hold the SQL in them.
func mayBeName(text string) bool {
	return len(text) <= 128*utf8.UTFMax && !strings.ContainsAny(text, "\r\n")
}

// dependencies yields the names of the jobs of the same workspace in a dependJobs object. Those of other workspaces are not ours to order.
func dependencies(depend []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		if jobs, ok := rawjson.Path(depend, "jobs"); ok {
			for e := range rawjson.Elements(jobs) {
				if name, ok := rawjson.String(e.In(jobs)); ok && !yield(name) {
					return
				}
			}
		}
		if jobs, ok := rawjson.Path(depend, "sameWorkSpaceJobs"); ok {
			for e := range rawjson.Elements(jobs) {
				if !yield(rawjson.StringAt(e.In(jobs), "jobName")) {
					return
				}
			}
		}
	}
}

// elsewhere yields the names of the jobs of other workspaces in a dependJobs object.
func elsewhere(depend []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		if jobs, ok := rawjson.Path(depend, "otherWorkSpaceJobs"); ok {
			for e := range rawjson.Elements(jobs) {
				if !yield(rawjson.StringAt(e.In(jobs), "jobName")) {
					return
				}
			}
		}
	}
}

// isKnownNodeType tells whether the node type is one whose documented properties name no job of Factory. "jobName" of a CDMJob, MRSSpark or
// DLISpark node is a job of that service, even if a job of Factory has the same name. How nodes that do call a job of Factory (Subjob, For
// Each) are spelled on the wire is not documented; they are what is left.
func isKnownNodeType(t string) bool {
	switch t {
	case "HiveSQL", "SparkSQL", "DWSSQL", "DLISQL", "RDS SQL", "Shell", "Python", "CDMJob", "DISTransferTask", "DISStream", "CSJob",
		"CloudTableManage", "CloudTableManager", "OBSManager", "RESTAPI", "MachineLearning", "SMN", "MRSSpark", "MapReduce", "DLISpark",
		"MRSFlink", "MRSFlinkJob", "MRSHetuEngine", "MRSSparkPython", "DataMigration", "OneclickCDC", "Dummy":
		return true
	}
	return false
}

// WithoutDependencies returns a job's definition without what it depends on, so that the jobs of a cycle can be created one after the other
// before they are written whole.
func WithoutDependencies(definition []byte) []byte {
	isDepend := func(name string) bool { return name == "dependJobs" }
	var edits []rawjson.Edit
	if cron, ok := rawjson.Find(definition, "schedule", "cron"); ok {
		edits = append(edits, rawjson.Edit{Span: cron, New: rawjson.Without(cron.In(definition), isDepend)})
	}
	if nodes, ok := rawjson.Lookup(definition, "nodes"); ok {
		for node := range elements(definition, nodes) {
			if trigger, ok := rawjson.Lookup(node.In(definition), "cronTrigger"); ok {
				trigger = offset(trigger, node.Start)
				edits = append(edits, rawjson.Edit{Span: trigger, New: rawjson.Without(trigger.In(definition), isDepend)})
			}
		}
	}
	return rawjson.Splice(definition, edits...)
}

// VariablesOf lists the environment variables that the text of an asset names in EL expressions, each once: Env.get("name") or Env.get('name'), with blanks
// wherever the expression language takes them.
func VariablesOf(definition []byte) []string {
	var names []string
	for text := string(definition); ; {
		_, rest, found := strings.Cut(text, "Env")
		if !found {
			return names
		}
		text = rest
		for _, token := range []string{".", "get", "("} {
			if rest, found = strings.CutPrefix(withoutBlanks(rest), token); !found {
				break
			}
		}
		if !found {
			continue
		}
		quote, rest := cutQuote(withoutBlanks(rest))
		if quote == "" {
			continue
		}
		if name, _, closed := strings.Cut(rest, quote); closed && name != "" && !strings.ContainsAny(name, `\"'`) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
}

// withoutBlanks cuts blanks off the beginning of the inside of a JSON string, in which some are escaped.
func withoutBlanks(text string) string {
	for {
		cut := strings.TrimLeft(text, " ")
		for _, blank := range []string{`\n`, `\t`, `\r`} {
			cut = strings.TrimPrefix(cut, blank)
		}
		if cut == text {
			return text
		}
		text = cut
	}
}

// cutQuote cuts a quotation mark off the beginning of the inside of a JSON string, and returns it as it is spelled there.
func cutQuote(text string) (quote, rest string) {
	for _, quote := range []string{`\"`, `'`, `\u0022`, `\u0027`} {
		if rest, ok := strings.CutPrefix(text, quote); ok {
			return quote, rest
		}
	}
	return "", text
}
