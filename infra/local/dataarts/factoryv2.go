package dataarts

import (
	"github.com/tidwall/gjson"
)

// This file is the part of the V2 API that is about jobs and scripts: its lists spell their keys with underscores, and scripts come without their text.

func (q *request) listFactoryJobs() (reply, error) {
	jobs, err := q.filterJobs(q.query.Get("job_type"), "", q.query.Get("job_name"))
	if err != nil {
		return reply{}, err
	}
	cut, total, err := page(q, paging{fallback: 100, largest: 1000, records: q.switches.RecordOffsets}, jobs)
	if err != nil {
		return reply{}, err
	}
	rows := make([][][]byte, len(cut))
	for i, a := range cut {
		camel := q.jobRow(a, nil)
		var row fields
		text := camel.object()
		for _, m := range members(text) {
			row.add(snake(m.name), jsonLiteral(text[m.value:m.end]))
		}
		row.add("job_id", jsonLiteral(a.id))
		rows[i] = [][]byte{row.object()}
	}
	return list("jobs", max(0, total+q.switches.TotalDelta), rows)
}

// snake turns createTime into create_time.
func snake(camel string) string {
	var out []byte
	for i := range len(camel) {
		c := camel[i]
		if 'A' <= c && c <= 'Z' {
			out = append(out, '_', c+'a'-'A')
			continue
		}
		out = append(out, c)
	}
	return string(out)
}

func (q *request) listFactoryScripts() (reply, error) {
	cut, total, err := page(q, paging{fallback: 10, largest: 100, records: q.switches.RecordOffsets}, q.filterScripts(q.query.Get("script_name")))
	if err != nil {
		return reply{}, err
	}
	rows := make([][][]byte, len(cut))
	for i, a := range cut {
		var row fields
		for _, m := range a.members() {
			switch m.name {
			case "configuration", "connectionName", "database", "description", "directory", "queueName", "name", "type":
				row.add(snake(m.name), jsonLiteral(a.text[m.value:m.end]))
			}
		}
		row.add("create_user", a.createUser)
		row.add("id", a.id)
		row.add("modify_time", millis(a.modified))
		row.add("owner", a.createUser)
		row.add("version", a.version)
		rows[i] = [][]byte{row.object()}
	}
	return list("scripts", max(0, total+q.switches.TotalDelta), rows)
}

// renameJob gives a job another name. Jobs that depend on it keep the old name.
func (q *request) renameJob() (reply, error) {
	old := q.ws.shelves[Jobs].current(q.args[1])
	if old == nil {
		return reply{}, jobMissing()
	}
	if !isObject(q.body) {
		return reply{}, invalid("The body is not a JSON object.")
	}
	name := gjson.GetBytes(q.body, "name").String()
	if !legalName(name, "._-", longestName, q.switches.LooseNames) {
		return reply{}, jobNameInvalid()
	}
	if q.ws.shelves[Jobs].current(name) != nil {
		return reply{}, jobExists()
	}
	_, at, _ := lookup(old.text, "name")
	renamed := *old
	renamed.name, renamed.text = name, replaceValue(old.text, at, encode(name))
	renamed.spans = nil // of the old text
	renamed.version++
	renamed.modified, renamed.modifyUser = q.s.now(), q.user
	running, tags := q.ws.runs[old.name], q.ws.tags[old.name]
	q.record(Jobs, old.name, nil)
	q.record(Jobs, name, &renamed)
	q.ws.runs[name], q.ws.tags[name] = running, tags
	return noContent()
}

// tagJob sets a job's tags; an empty list removes them. The list of jobs can be filtered by them.
func (q *request) tagJob() (reply, error) {
	name := q.args[1]
	if q.ws.shelves[Jobs].current(name) == nil {
		return reply{}, jobMissing()
	}
	names := gjson.GetBytes(q.body, "tag_names")
	if !isObject(q.body) || !names.IsArray() {
		return reply{}, invalid("tag_names is missing.")
	}
	q.ws.tags[name] = nil
	for _, tag := range names.Array() {
		q.ws.tags[name] = append(q.ws.tags[name], tag.String())
	}
	return noContent()
}
