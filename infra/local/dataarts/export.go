package dataarts

import (
	"archive/zip"
	"bytes"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// largestExport is how many jobs Batch Exporting Jobs takes.
const largestExport = 100

// exportJob answers DLF_<job>.zip: jobs/<job>.job, scripts/<script>.script, resources/<resource>.resource. With obsPath the file goes to the
// object store a little later, and the answer says where.
func (q *request) exportJob() (reply, error) {
	job, err := q.exported(q.args[1])
	if err != nil {
		return reply{}, err
	}
	var archive archive
	archive.add("jobs/"+job.name+".job", job.text)
	if q.exportDepend() {
		scripts, resources := q.needs(job)
		for _, a := range scripts {
			archive.add("scripts/"+a.name+".script", a.text)
		}
		for _, a := range resources {
			archive.add("resources/"+a.name+".resource", a.text)
		}
	}
	return q.deliver(&archive, "DLF_"+job.name+".zip", job.name)
}

// exportJobs answers jobs.zip: jobs/<job>/<job>.job and beside it the scripts and resources that the job needs.
func (q *request) exportJobs() (reply, error) {
	names := gjson.GetBytes(q.body, "jobList").Array()
	if !isObject(q.body) || len(names) == 0 || len(names) > largestExport {
		return reply{}, invalid("jobList must name 1 to %d jobs.", largestExport)
	}
	var archive archive
	for _, name := range names {
		job, err := q.exported(name.String())
		if err != nil {
			return reply{}, err
		}
		folder := "jobs/" + job.name + "/"
		archive.add(folder+job.name+".job", job.text)
		if q.exportDepend() {
			scripts, resources := q.needs(job)
			for _, a := range scripts {
				archive.add(folder+a.name+".script", a.text)
			}
			for _, a := range resources {
				archive.add(folder+a.name+".resource", a.text)
			}
		}
	}
	return q.deliver(&archive, "jobs.zip", "jobs")
}

func (q *request) exportDepend() bool {
	depend := gjson.GetBytes(q.body, "exportDepend")
	return !depend.Exists() || depend.Bool()
}

// exported returns the revision of a job that an export is about: the development state, or what was submitted last.
func (q *request) exported(name string) (*asset, error) {
	if len(q.body) > 0 && !isObject(q.body) {
		return nil, invalid("The body is not a JSON object.")
	}
	job := q.ws.shelves[Jobs].current(name)
	if job == nil {
		return nil, jobMissing()
	}
	switch gjson.GetBytes(q.body, "exportStatus").String() {
	case "", "DEVELOP":
		return job, nil
	case "SUBMIT":
		if job.submitted == nil {
			return nil, jobMissing()
		}
		submitted := *job
		submitted.text, submitted.facts = job.submitted, read(job.submitted)
		return &submitted, nil
	}
	return nil, invalid("exportStatus must be DEVELOP or SUBMIT.")
}

// needs returns the scripts and the resources that a job's nodes refer to, as far as they exist.
func (q *request) needs(job *asset) (scripts, resources []*asset) {
	for _, name := range job.facts.scripts {
		if a := q.ws.shelves[Scripts].current(name); a != nil {
			scripts = append(scripts, a)
		}
	}
	for _, a := range q.ws.shelves[Resources].all() {
		if slices.Contains(job.facts.files, text2string(a.text, "location")) {
			resources = append(resources, a)
		}
	}
	return scripts, resources
}

func (q *request) deliver(files *archive, name, obsName string) (reply, error) {
	data, err := files.bytes()
	if err != nil {
		return reply{}, err
	}
	target := gjson.GetBytes(q.body, "obsPath").String()
	if target == "" {
		return okZip(name, data)
	}
	bucket, prefix, ok := splitOBS(target)
	if !ok {
		return reply{}, refuse("DLF.0803", "The OBS path is invalid.")
	}
	if q.ws.info.LogLocation == "" {
		return reply{}, refuse("DLF.0802", "The log bucket of the workspace is not configured.")
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	folder := prefix + obsName + "_exported/" + strconv.FormatInt(millis(q.s.now()), 10)
	put := q.s.putObject
	q.s.exports.Go(func() {
		// Nobody is left to be told of an error: a file that never appears is what the service's users see too.
		_ = put(bucket, folder+"/"+obsName+".zip", data)
	})
	var f fields
	f.add("obsPath", "obs://"+bucket+"/"+folder)
	return okJSON(f.object())
}

// splitOBS takes obs://bucket/key apart.
func splitOBS(text string) (bucket, key string, ok bool) {
	u, found := strings.CutPrefix(text, "obs://")
	if !found {
		return "", "", false
	}
	bucket, key, _ = strings.Cut(u, "/")
	if bucket == "" || url.PathEscape(bucket) != bucket {
		return "", "", false
	}
	return bucket, key, true
}

// archive collects the files of a zip, each once.
type archive struct {
	names []string
	texts [][]byte
}

func (a *archive) add(name string, text []byte) {
	if !slices.Contains(a.names, name) {
		a.names, a.texts = append(a.names, name), append(a.texts, text)
	}
}

func (a *archive) bytes() ([]byte, error) {
	var out bytes.Buffer
	writer := zip.NewWriter(&out)
	for i, name := range a.names {
		file, err := writer.Create(name)
		if err != nil {
			return nil, err
		}
		if _, err := file.Write(a.texts[i]); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
