package dataarts

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

func (q *request) createResource() (reply, error) {
	if err := q.checkResource(q.body); err != nil {
		return reply{}, err
	}
	id, err := q.addResource(definition(Resources, q.body))
	if err != nil {
		return reply{}, err
	}
	var f fields
	f.add("resourceId", id)
	return okJSON(f.object())
}

// addResource creates a resource whose definition has been checked.
func (q *request) addResource(text []byte) (id string, err error) {
	name := text2string(text, "name")
	if q.ws.paths[path(cleanDirectory(text2string(text, "directory")), name)] != "" {
		return "", resourceExists()
	}
	id = q.s.newID()
	return id, q.store(Resources, id, &asset{id: id, name: name, text: text, facts: read(text)})
}

func (q *request) updateResource() (reply, error) {
	id := q.args[1]
	old := q.ws.shelves[Resources].current(id)
	if old == nil {
		return reply{}, resourceMissing()
	}
	if err := q.checkResource(q.body); err != nil {
		return reply{}, err
	}
	if _, _, ok := lookup(q.body, "directory"); !ok {
		return reply{}, invalid("directory is needed.")
	}
	if err := q.replaceResource(old, definition(Resources, q.body)); err != nil {
		return reply{}, err
	}
	return noContent()
}

// replaceResource changes a resource: it may be renamed, but neither its type nor its directory can be changed.
func (q *request) replaceResource(old *asset, text []byte) error {
	name := text2string(text, "name")
	if text2string(text, "type") != old.facts.kind {
		return refuse("DLF.6263", "The resource type cannot be changed.")
	}
	if cleanDirectory(text2string(text, "directory")) != old.directory {
		return invalid("The directory cannot be changed.")
	}
	if other := q.ws.paths[path(old.directory, name)]; other != "" && other != old.id {
		return resourceExists()
	}
	return q.store(Resources, old.id, &asset{id: old.id, name: name, text: text, facts: read(text)})
}

func (q *request) checkResource(body []byte) error {
	if !isObject(body) {
		return invalid("The body is not a JSON object.")
	}
	json := gjson.ParseBytes(body)
	if name := json.Get("name"); name.Type != gjson.String || !legalName(name.String(), "_-", longestResourceName, q.switches.LooseNames) {
		return invalid("name is invalid.")
	}
	switch json.Get("type").String() {
	case "archive", "file", "jar", "pyFile":
	default:
		return refuse("DLF.6263", "The resource type is invalid.")
	}
	if !legalLocation(json.Get("location")) {
		return refuse("DLF.6264", "The OBS path of the resource file is invalid.")
	}
	together := 0
	for _, file := range json.Get("dependFiles").Array() {
		together += utf8.RuneCountInString(file.String())
		if !legalLocation(file) {
			together = 10_241
		}
	}
	for _, depend := range json.Get("dependPackages").Array() {
		if !legalLocation(depend.Get("location")) {
			together = 10_241
		}
	}
	if together > 10_240 {
		return refuse("DLF.6264", "The OBS path of a depended file is invalid, or the paths are too long together.")
	}
	if utf8.RuneCountInString(json.Get("desc").String()) > 255 {
		return refuse("DLF.6265", "The resource description is invalid.")
	}
	return nil
}

// legalLocation reports whether a location is on OBS, as documented, or on HDFS, as seen.
func legalLocation(location gjson.Result) bool {
	text := location.String()
	return location.Type == gjson.String && utf8.RuneCountInString(text) <= 1023 &&
		(strings.HasPrefix(text, "obs://") || strings.HasPrefix(text, "hdfs://"))
}

func (q *request) showResource() (reply, error) {
	a := q.ws.shelves[Resources].seen(q.args[1], q.view)
	if a == nil {
		return reply{}, resourceMissing()
	}
	var owned fields
	if !q.switches.HideResourceID {
		owned.add("id", a.id)
	}
	if relations := q.relations(a); len(relations) > 0 {
		owned.add("jobRelation", relations)
	}
	return okJSON(spliced(a.text, owned)...)
}

// jobRelation says which job uses a resource.
type jobRelation struct {
	RelationID   string      `json:"relationId"`
	RelationType string      `json:"relationType"`
	TaskID       jsonLiteral `json:"taskId"` // a number
	TaskName     string      `json:"taskName"`
	UserName     string      `json:"userName"`
	Version      int         `json:"version"`
	ScriptID     string      `json:"scriptId"`
	ScriptName   string      `json:"scriptName"`
	Deleted      bool        `json:"deleted"`
}

// jsonLiteral is text that is JSON already.
type jsonLiteral string

func (l jsonLiteral) MarshalJSON() ([]byte, error) { return []byte(l), nil }

func (q *request) relations(resource *asset) []jobRelation {
	location := resource.facts.location
	var found []jobRelation
	for _, job := range q.ws.shelves[Jobs].list(q.view) {
		if slices.Contains(job.facts.files, location) {
			found = append(found, jobRelation{RelationID: "1", RelationType: "job", TaskID: jsonLiteral(job.id), TaskName: job.name,
				UserName: job.createUser, Version: job.version})
		}
	}
	return found
}

func (q *request) deleteResource() (reply, error) {
	if q.ws.shelves[Resources].current(q.args[1]) == nil {
		return reply{}, resourceMissing()
	}
	q.record(Resources, q.args[1], nil)
	return noContent()
}

func (q *request) listResources() (reply, error) {
	filter := q.query.Get("resourceName")
	all := q.moving(Resources, q.filter(Resources, func(a *asset) bool { return fuzzy(a.name, filter) }))
	cut, total, err := page(q, q.v1Paging(), all)
	if err != nil {
		return reply{}, err
	}
	key := q.switches.ResourceIDKey
	if key == "" {
		key = "id"
	}
	omits := q.rowOmits(Resources)
	rows := make([][][]byte, len(cut))
	for i, a := range cut {
		owned, drop := fields{drop: omits}, omits
		if q.switches.SnakeDepends {
			for _, m := range a.members() {
				if m.name == "dependFiles" {
					owned.add("depend_files", jsonLiteral(a.text[m.value:m.end]))
				}
			}
			drop = append(slices.Clone(drop), "dependFiles")
		}
		owned.add(key, a.id)
		rows[i] = edited(a.text, a.members(), drop, nil, owned)
	}
	return list("resources", max(0, total+q.switches.TotalDelta), rows)
}
