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
	if err := q.checkLock(name); err != nil {
		return reply{}, err
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
	if err := q.checkLock(name); err != nil {
		return reply{}, err
	}
	if err := q.checkApprovers(); err != nil {
		return reply{}, err
	}
	q.record(Scripts, name, nil)
	return noContent()
}

func (q *request) filterScripts(name string) []*asset {
	return q.filter(Scripts, func(a *asset) bool { return fuzzy(a.name, name) })
}

// listScripts answers whole scripts, texts included: a page of 100 may be very large.
func (q *request) listScripts() (reply, error) {
	cut, total, err := page(q, q.v1Paging(), q.moving(Scripts, q.filterScripts(q.query.Get("scriptName"))))
	if err != nil {
		return reply{}, err
	}
	omits := q.rowOmits(Scripts)
	rows := make([][][]byte, len(cut))
	for i, a := range cut {
		owned, drop := fields{drop: omits}, omits
		if q.switches.SnakeScripts {
			for _, m := range a.members() {
				if m.name == "connectionName" {
					owned.add("connection_name", jsonLiteral(a.text[m.value:m.end]))
				}
			}
			drop = append(slices.Clone(drop), "connectionName")
			owned.add("create_user", a.createUser)
			owned.add("modifyTime", millis(a.modified))
			owned.add("owner", a.createUser)
			owned.add("version", a.version)
		} else {
			scriptOwned(&owned, a)
		}
		rows[i] = edited(a.text, a.members(), drop, q.shortContent(a), owned)
	}
	return list("scripts", max(0, total+q.switches.TotalDelta), rows)
}

// shortContent is the content of a row that ListTruncatesContent cuts, between two characters. Nil means that it stays.
func (q *request) shortContent(a *asset) map[string][]byte {
	most := q.switches.ListTruncatesContent
	if most <= 0 {
		return nil
	}
	content := text2string(a.text, "content")
	if len(content) <= most {
		return nil
	}
	for most > 0 && !utf8.RuneStart(content[most]) {
		most--
	}
	return map[string][]byte{"content": encode(content[:most])}
}
