package asset

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// Normal is a field that the service spells in several ways which mean the same. Nothing else is ever taken for the same: a value other than the
// default counts, and so does every text.
type Normal struct {
	Kind Kind
	// Path is the field as [rawjson.Diff] names it, with [] for any element of a list.
	Path string
	// Absent is the value, as JSON, that means the same as no such field; empty where its absence means something else.
	Absent string
	// Also is another spelling of the field's name, empty where there is none.
	Also string
	// Form tells which values mean the same beside equal ones.
	Form Form
	// Source is where this is documented.
	Source string
}

// Form is a way of spelling values.
type Form string

// The forms.
const (
	Exact     Form = ""          // equal JSON
	Scalar    Form = "scalar"    // a number or a boolean, in quotes or not
	Directory Form = "directory" // with a slash at its end or not
	Empty     Form = "empty"     // {} or []
)

// Normals lists the fields in which two definitions, with the names that [Taken] gives to fields, may differ without a difference in meaning. Fields are
// left out of it where documents disagree about the default (retryTimes, basicConfig.instanceTimeout), or where it is a setting of the workspace
// (basicConfig.isIgnoreWaiting, expressionTimeZone).
func Normals() []Normal {
	const (
		create   = "Create Job page"
		example  = "Create Job page: optional, and written so in its example where nothing is set"
		show     = "Show Job page, example of a job without tags"
		script   = "Create Script page"
		resource = "Create Resource page"
	)
	all := []Normal{
		{Jobs, "directory", `"/"`, "", Directory, "Create Job page and SDK: the root by default; lists have a slash at the end, Show Job has none"},
		{Jobs, "singleNodeJobFlag", `false`, "", Scalar, create},
		{Jobs, "emptyRunningJob", `"0"`, "", Scalar, create},
		{Jobs, "cleanOverdueDays", "", "cleanoverdueDays", Scalar, "Create Job page, where Show Job's example has a string under the other name"},
		{Jobs, "params[].type", `"variable"`, "", Exact, create},
		{Jobs, "basicConfig.priority", `0`, "", Scalar, create},
		{Jobs, "basicConfig.executeUser", `""`, "", Exact, example},
		{Jobs, "basicConfig.customFields", `{}`, "", Exact, example},
		{Jobs, "basicConfig.tags", `[]`, "", Empty, show},
		{Jobs, "nodes[].location.x", "", "", Scalar, "Create Job page: a number in the table, a string in the examples"},
		{Jobs, "nodes[].location.y", "", "", Scalar, "Create Job page: a number in the table, a string in the examples"},
		{Jobs, "nodes[].preNodeName", `[]`, "", Exact, example},
		{Jobs, "nodes[].pollingInterval", `10`, "", Scalar, create},
		{Jobs, "nodes[].execTimeOutRetry", `"false"`, "", Scalar, create},
		{Jobs, "nodes[].maxExecutionTime", `60`, "", Scalar, create},
		{Jobs, "nodes[].retryInterval", `120`, "", Scalar, create},
		{Jobs, "nodes[].failPolicy", `"FAIL"`, "", Exact, create},
	}
	for _, at := range []string{"schedule.event.", "nodes[].eventTrigger."} {
		all = append(all,
			Normal{Jobs, at + "failPolicy", `"SUSPEND"`, "", Exact, create},
			Normal{Jobs, at + "concurrent", `1`, "", Scalar, create},
			Normal{Jobs, at + "readPolicy", `"LAST"`, "", Exact, create})
	}
	for _, at := range []string{"schedule.cron.", "nodes[].cronTrigger."} {
		all = append(all,
			Normal{Jobs, at + "dependPrePeriod", `false`, "", Scalar, create},
			Normal{Jobs, at + "dependJobs.dependPeriod", `"SAME_PERIOD"`, "", Exact, create},
			Normal{Jobs, at + "dependJobs.dependFailPolicy", `"FAIL"`, "", Exact, create})
	}
	return append(all,
		Normal{Scripts, "directory", `"/"`, "", Directory, script},
		Normal{Scripts, "connectionName", `""`, "", Exact, script},
		Normal{Scripts, "queueName", `""`, "", Exact, script},
		Normal{Scripts, "configuration", `{}`, "", Exact, script},
		Normal{Scripts, "autoAcquireLock", `true`, "", Scalar, "Show Script page"},
		Normal{Resources, "directory", `"/"`, "", Directory, resource})
}

// Changes lists the places in which two definitions of a kind differ in meaning: not in fields that only the server sets, nor where they differ in a way
// that [Normals] lists. They are named as in what [Taken] returns. The error is that of [rawjson.Diff].
func Changes(k Kind, from, to []byte) ([]rawjson.Change, error) {
	changes, err := rawjson.Diff(Comparable(k, Taken(k, from)), Comparable(k, Taken(k, to)))
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	root := normalsOf(k)
	changes = renamed(root, changes)
	return slices.DeleteFunc(changes, func(c rawjson.Change) bool { return root.same(c) }), nil
}

// Lost lists the places of want that have is without or has otherwise, and not in ways that mean the same; see [Changes]. Members that only have
// has are no loss: services add defaults.
func Lost(k Kind, want, have []byte) ([]rawjson.Change, error) {
	changes, err := Changes(k, want, have)
	return rawjson.Losses(changes), err
}

// same tells whether both sides of a change mean the same.
func (n *normal) same(c rawjson.Change) bool {
	at := n.at(c.Path)
	switch {
	case at == nil:
		return false
	case c.From != "" && c.To != "":
		return at.field != nil && at.field.Form.same([]byte(c.From), []byte(c.To))
	case strings.HasSuffix(c.Path, "]"): // an element more or less is a difference, whatever it holds
		return false
	}
	_, absent := at.spell([]byte(cmp.Or(c.From, c.To)))
	return absent
}

// renamed drops the two changes that are one value under the two names of a field.
func renamed(root *normal, changes []rawjson.Change) []rawjson.Change {
	for name, other := range root.also {
		here := slices.IndexFunc(changes, func(c rawjson.Change) bool { return c.Path == name })
		there := slices.IndexFunc(changes, func(c rawjson.Change) bool { return c.Path == other })
		if here < 0 || there < 0 {
			continue
		}
		a, b, form := changes[here], changes[there], root.members[name].field.Form
		if (a.From == "" && b.To == "" && form.same([]byte(a.To), []byte(b.From))) || (a.To == "" && b.From == "" && form.same([]byte(a.From), []byte(b.To))) {
			changes = slices.DeleteFunc(changes, func(c rawjson.Change) bool { return c.Path == name || c.Path == other })
		}
	}
	return changes
}
