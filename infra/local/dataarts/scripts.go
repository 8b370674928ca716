package dataarts

import (
	"slices"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// longestScript is the limit of Creating a Script and Editing a Script; Viewing a Script still says 64 KB.
const longestScript = 4 << 20

// scriptTypes are the types of both references together.
func scriptTypes() []string {
	return []string{"FlinkSQL", "DLISQL", "SparkSQL", "HiveSQL", "DWSSQL", "RDSSQL", "Shell", "PRESTO", "ClickHouseSQL", "HetuEngineSQL",
		"PYTHON", "ImpalaSQL", "Spark Python", "SparkPython"}
}

func (q *request) createScript() (reply, error) {
	if err := q.checkScript(q.body, "DLF.0201", "The script fails to be created. "); err != nil {
		return reply{}, err
	}
	if err := q.addScript(definition(Scripts, q.body)); err != nil {
		return reply{}, err
	}
	return noContent()
}

// addScript creates a script whose definition has been checked.
func (q *request) addScript(text []byte) error {
	scripts := q.ws.shelves[Scripts]
	name := text2string(text, "name")
	if scripts.current(name) != nil {
		return scriptExists()
	}
	if scripts.count(func(*asset) bool { return true }) >= orDefault(q.switches.ScriptQuota, 10_000) {
		return refuse("DLF.6253", "The number of scripts reaches the upper limit.")
	}
	return q.store(Scripts, name, &asset{name: name, text: text, facts: read(text)})
}

func (q *request) updateScript() (reply, error) {
	name := q.args[1]
	old := q.ws.shelves[Scripts].current(name)
	if old == nil {
		return reply{}, scriptMissing()
	}
	const code, words = "DLF.0203", "The script fails to be modified. "
	if err := q.checkScript(q.body, code, words); err != nil {
		return reply{}, err
	}
	text := definition(Scripts, q.body)
	if text2string(text, "name") != name {
		return reply{}, refuse(code, words+"The name cannot be changed.")
	}
	if text2string(text, "type") != old.facts.kind {
		return reply{}, refuse(code, words+"The type cannot be changed.")
	}
	if err := q.store(Scripts, name, &asset{name: name, text: text, facts: read(text)}); err != nil {
		return reply{}, err
	}
	return noContent()
}

// checkScript holds a body against the rules of Creating a Script. What has no code of its own is answered with the code of the operation.
func (q *request) checkScript(body []byte, code, words string) error {
	if !isObject(body) {
		return invalid("The body is not a JSON object.")
	}
	json := gjson.ParseBytes(body)
	if err := q.checkTarget(json, q.op != UpdateScript); err != nil {
		return err
	}
	if name := json.Get("name"); name.Type != gjson.String || !legalName(name.String(), "._-", longestName, q.switches.LooseNames) {
		return refuse(code, words+"The name is invalid.")
	}
	kind := json.Get("type")
	if kind.Type != gjson.String || !slices.Contains(scriptTypes(), kind.String()) {
		return refuse("DLF.6247", "The script type is missing.")
	}
	content := json.Get("content")
	if content.Type != gjson.String {
		return refuse(code, words+"The content is missing.")
	}
	if len(content.String()) > orDefault(q.switches.ScriptLimit, longestScript) {
		return refuse(code, words+"The content is too long.")
	}
	if utf8.RuneCountInString(json.Get("description").String()) > 255 {
		return refuse(code, words+"The description is too long.")
	}
	return nil
}

func (q *request) showScript() (reply, error) {
	a := q.ws.shelves[Scripts].seen(q.args[1], q.view)
	if a == nil {
		return reply{}, scriptMissing()
	}
	var owned fields
	owned.add("id", a.id)
	scriptOwned(&owned, a)
	return okJSON(spliced(a.text, owned)...)
}

// scriptOwned adds what the list and Show have in common.
func scriptOwned(f *fields, a *asset) {
	f.add("owner", a.createUser)
	f.add("version", a.version)
	f.add("createUser", a.createUser)
	f.add("modifyTime", millis(a.modified))
}

func (q *request) deleteScript() (reply, error) {
	name := q.args[1]
	if q.ws.shelves[Scripts].current(name) == nil {
		return reply{}, scriptMissing()
	}
	if err := q.checkApprovers(); err != nil {
		return reply{}, err
	}
	q.record(Scripts, name, nil)
	return noContent()
}

func (q *request) filterScripts(name string) []*asset {
	return slices.DeleteFunc(q.ws.shelves[Scripts].list(q.view), func(a *asset) bool { return !fuzzy(a.name, name) })
}

// listScripts answers whole scripts, texts included: a page of 100 may be very large.
func (q *request) listScripts() (reply, error) {
	cut, total, err := page(q, q.v1Paging(), q.filterScripts(q.query.Get("scriptName")))
	if err != nil {
		return reply{}, err
	}
	rows := make([][][]byte, len(cut))
	for i, a := range cut {
		text := a.text
		var owned fields
		if q.switches.SnakeScripts {
			if connection, _, ok := lookup(text, "connectionName"); ok {
				owned.text = slices.Concat([]byte(`"connection_name":`), connection)
			}
			text = without(text, []string{"connectionName"})
			owned.add("create_user", a.createUser)
			owned.add("modifyTime", millis(a.modified))
			owned.add("owner", a.createUser)
			owned.add("version", a.version)
		} else {
			scriptOwned(&owned, a)
		}
		rows[i] = spliced(text, owned)
	}
	return list("scripts", max(0, total+q.switches.TotalDelta), rows)
}
