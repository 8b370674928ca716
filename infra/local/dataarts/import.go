package dataarts

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	pathpkg "path"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// largestImport is the limit of an import file, as it is and unpacked.
const largestImport = 10 << 20

// imported is a file of an import archive.
type imported struct {
	kind Kind
	text []byte
}

// readArchive reads a zip in the object store. Resources come first, jobs last, so that each finds what it needs.
func (q *request) readArchive() ([]imported, error) {
	if !isObject(q.body) {
		return nil, invalid("The body is not a JSON object.")
	}
	bucket, key, ok := splitOBS(gjson.GetBytes(q.body, "path").String())
	if !ok {
		return nil, refuse("DLF.0803", "The OBS path is invalid.")
	}
	if q.switches.ImportUnreadable {
		return nil, obsUnreadable()
	}
	data, err := q.s.getObject(bucket, key)
	if err != nil || len(data) > largestImport {
		return nil, obsUnreadable()
	}
	reader, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, obsUnreadable()
	}
	kinds := map[string]Kind{".resource": Resources, ".script": Scripts, ".job": Jobs}
	var found []imported
	left := int64(largestImport)
	for _, file := range reader.File {
		kind, ok := kinds[pathpkg.Ext(file.Name)]
		if !ok {
			continue
		}
		text, err := unpack(file, left)
		if err != nil || !isObject(text) {
			return nil, obsUnreadable()
		}
		left -= int64(len(text))
		found = append(found, imported{kind, bytes.TrimSpace(text)})
	}
	order := []Kind{Resources, Scripts, Jobs}
	slices.SortStableFunc(found, func(a, b imported) int { return slices.Index(order, a.kind) - slices.Index(order, b.kind) })
	return found, nil
}

func unpack(file *zip.File, most int64) ([]byte, error) {
	reader, err := file.Open()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(reader, most+1))
	if err := errors.Join(err, reader.Close()); err != nil {
		return nil, err
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("%s: the archive is larger than %d bytes", file.Name, largestImport)
	}
	return text, nil
}

// checkFile says which jobs, with their parameters, and which scripts are in a file.
func (q *request) checkFile() (reply, error) {
	if q.switches.ImportUnsupported {
		return reply{}, notPublished()
	}
	files, err := q.readArchive()
	if err != nil {
		return reply{}, err
	}
	jobs, scripts := []jsonLiteral{}, []jsonLiteral{}
	for _, file := range files {
		var f fields
		f.add("name", text2string(file.text, "name"))
		f.add("path", cleanDirectory(text2string(file.text, "directory")))
		switch file.kind {
		case Scripts:
			scripts = append(scripts, jsonLiteral(f.object()))
		case Jobs:
			var params fields
			for _, param := range gjson.GetBytes(file.text, "params").Array() {
				params.add(param.Get("name").String(), param.Get("value").String())
			}
			f.add("params", jsonLiteral(params.object()))
			jobs = append(jobs, jsonLiteral(f.object()))
		}
	}
	var f fields
	f.add("jobs", jobs)
	f.add("scripts", scripts)
	return okJSON(f.object())
}

// importJobs imports a file and answers the id of a task that tells of every asset. Replacing connections and clusters (resources) and executeUser
// are not emulated, and refused rather than ignored.
func (q *request) importJobs() (reply, error) {
	if q.switches.ImportUnsupported {
		return reply{}, notPublished()
	}
	if !isObject(q.body) {
		return reply{}, invalid("The body is not a JSON object.")
	}
	body := gjson.ParseBytes(q.body)
	overwrite := false
	switch body.Get("sameNamePolicy").String() {
	case "", "SKIP":
	case "OVERWRITE":
		overwrite = true
	default:
		return reply{}, invalid("sameNamePolicy must be SKIP or OVERWRITE.")
	}
	if len(body.Get("resources").Array()) > 0 || body.Get("executeUser").String() != "" {
		return reply{}, invalid("resources and executeUser are not served here.")
	}
	if err := q.checkTarget(body, true); err != nil {
		return reply{}, err
	}
	files, err := q.readArchive()
	if err != nil {
		return reply{}, err
	}
	t := &task{id: q.s.newID(), ws: q.ws, name: "Import the job from " + body.Get("path").String() + ".", polls: q.switches.RunningPolls,
		started: q.s.now(), status: "SUCCESSFUL", endless: q.switches.ImportNeverEnds}
	carryOut := func() { q.carryOut(t, files, body, overwrite) }
	switch {
	case q.switches.ImportFails:
		t.status = "FAILED"
	case q.switches.ImportLater:
		t.later = carryOut
	default:
		carryOut()
	}
	q.s.tasks[t.id] = t
	var f fields
	f.add("taskId", t.id)
	return okJSON(f.object())
}

// carryOut imports the files one by one and leaves in the task what became of each.
func (q *request) carryOut(t *task, files []imported, body gjson.Result, overwrite bool) {
	q.arriving = map[string]bool{}
	for _, file := range files {
		if file.kind == Jobs {
			q.arriving[text2string(file.text, "name")] = true
		}
	}
	for _, file := range files {
		name := text2string(file.text, "name")
		sub := subtask{id: q.s.newID(), taskID: q.s.newID(), at: q.s.now(), status: "SUCCESSFUL",
			name: "Import the " + name + " " + strings.TrimSuffix(string(file.kind), "s") + "."}
		if q.switches.ImportBareNames {
			sub.name = name
		}
		if file.kind == Jobs {
			file.text = withParams(file.text, jobParams(body, name))
			for _, field := range q.switches.ImportOmits {
				file.text = omit(file.text, strings.Split(field, "."))
			}
		}
		if file.kind == Jobs && slices.Contains(q.switches.ImportLacks, name) {
			t.subtasks = append(t.subtasks, sub)
			continue
		}
		if err := q.importOne(file, overwrite, body.Get("targetStatus").String()); err != nil {
			sub.status, sub.message = "FAILED", err.Error()
			t.status = "FAILED"
		}
		t.subtasks = append(t.subtasks, sub)
	}
}

// importOne creates or overwrites one asset. An imported job is submitted, unless it is told to be only saved.
func (q *request) importOne(file imported, overwrite bool, targetStatus string) error {
	// The review rules were checked for the import as a whole.
	checked := *q
	checked.switches.Review = false
	name := text2string(file.text, "name")
	switch file.kind {
	case Resources:
		if err := checked.checkResource(file.text); err != nil {
			return err
		}
		text := definition(Resources, file.text)
		old := q.ws.shelves[Resources].current(q.ws.paths[path(cleanDirectory(text2string(text, "directory")), name)])
		if old == nil {
			_, err := q.addResource(text)
			return err
		}
		if !overwrite {
			return nil
		}
		return q.replaceResource(old, text)
	case Scripts:
		if err := checked.checkScript(file.text, "DLF.0201", "The script fails to be created. "); err != nil {
			return err
		}
		text := definition(Scripts, file.text)
		old := q.ws.shelves[Scripts].current(name)
		if old == nil {
			return q.addScript(text)
		}
		if !overwrite {
			return nil
		}
		if text2string(text, "type") != old.facts.kind {
			return refuse("DLF.0203", "The script fails to be modified. The type cannot be changed.")
		}
		return q.store(Scripts, name, &asset{name: name, text: text, facts: read(text)})
	}
	old := q.ws.shelves[Jobs].current(name)
	if old != nil && !overwrite {
		return nil
	}
	if old != nil && q.ws.runs[name].running() {
		return jobRunning(name)
	}
	text, f, err := checked.checkJob(file.text, "")
	if err != nil {
		return err
	}
	if old == nil {
		return q.addJob(text, f, targetStatus)
	}
	a := &asset{name: name, text: text, facts: f}
	if targetStatus != "SAVED" {
		a.submitted = text
	}
	return q.store(Jobs, name, a)
}

// jobParams are the values that an import gives to parameters: those for all jobs, and those for one.
func jobParams(body gjson.Result, job string) map[string]string {
	values := map[string]string{}
	take := func(params gjson.Result) {
		for name, value := range params.Map() {
			values[name] = value.String()
		}
	}
	take(body.Get("params"))
	for _, own := range body.Get("jobsParam").Array() {
		if own.Get("name").String() == job {
			take(own.Get("params"))
		}
	}
	return values
}

// withParams returns a job's text with other values for some of its parameters.
func withParams(text []byte, values map[string]string) []byte {
	params, at, ok := lookup(text, "params")
	if !ok || params[0] != '[' {
		return text
	}
	for _, span := range slices.Backward(elements(params)) {
		param := params[span[0]:span[1]]
		value, replaced := values[text2string(param, "name")]
		if _, valueAt, ok := lookup(param, "value"); ok && replaced {
			params = slices.Concat(params[:span[0]], replaceValue(param, valueAt, encode(value)), params[span[1]:])
		}
	}
	return replaceValue(text, at, params)
}
