package dataarts

import (
	"net/http"
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
	return q.deliver(flatArchive([]exported{q.export(job)}), "DLF_"+job.name+".zip", job.name)
}

// exportJobs answers jobs.zip: jobs/<job>/<job>.job and beside it the scripts and resources that the job needs.
func (q *request) exportJobs() (reply, error) {
	if q.switches.ExportUnsupported {
		return reply{}, notPublished()
	}
	q.s.batchExports++
	if every := q.switches.ExportFails; every > 0 && q.s.batchExports%every == 0 {
		return reply{}, &problem{http.StatusInternalServerError, "DLF.500", "System error."}
	}
	limit := orDefault(q.switches.ExportLimit, largestExport)
	names := gjson.GetBytes(q.body, "jobList").Array()
	if !isObject(q.body) || len(names) == 0 || len(names) > limit {
		return reply{}, invalid("jobList must name 1 to %d jobs.", limit)
	}
	var jobs []exported
	for _, name := range names {
		job, err := q.exported(name.String())
		if err != nil {
			return reply{}, err
		}
		if q.switches.ExportBatchOnly && job.facts.kind == realTime {
			return reply{}, refuse("DLF.0136", "Only batch jobs support this operation.")
		}
		jobs = append(jobs, q.export(job))
	}
	if q.switches.ExportForeign {
		q.swapFirst(jobs)
	}
	jobs = slices.DeleteFunc(jobs, func(e exported) bool { return slices.Contains(q.switches.ExportLacks, e.job.name) })
	size := 0
	for _, e := range jobs {
		size += e.size()
	}
	if most := q.switches.ExportMaxBytes; most > 0 && size > most {
		return reply{}, invalid("The files to be exported have %d bytes, more than %d.", size, most)
	}
	build := batchArchive(jobs, q.switches.ExportLayout)
	if q.switches.ExportTruncated {
		build = half(build)
	}
	return q.deliver(build, "jobs.zip", "jobs")
}

// exported is a job on its way into a zip, with what it needs.
type exported struct {
	job                *asset
	text               []byte // the definition that the job's file holds
	scripts, resources []*asset
}

func (q *request) export(job *asset) exported {
	e := exported{job: job, text: job.text}
	for _, path := range q.switches.ExportOmits {
		e.text = omit(e.text, strings.Split(path, "."))
	}
	if q.exportDepend() {
		e.scripts, e.resources = q.needs(job)
	}
	return e
}

func (e exported) size() int {
	size := len(e.text)
	for _, a := range slices.Concat(e.scripts, e.resources) {
		size += len(a.text)
	}
	return size
}

// swapFirst gives the first job's file another job's definition: that of the next in the list, or else of any other in the workspace.
func (q *request) swapFirst(jobs []exported) {
	if len(jobs) > 1 {
		jobs[0].text = jobs[1].text
		return
	}
	for _, other := range q.ws.shelves[Jobs].all() {
		if other.name != jobs[0].job.name {
			jobs[0].text = other.text
			return
		}
	}
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
		submitted.text, submitted.facts, submitted.spans = job.submitted, read(job.submitted), nil
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
	if len(job.facts.files) == 0 {
		return scripts, nil
	}
	for _, a := range q.ws.shelves[Resources].all() {
		if slices.Contains(job.facts.files, a.facts.location) {
			resources = append(resources, a)
		}
	}
	return scripts, resources
}

// deliver answers a zip, or has it written to the object store. The zip is made after the service has been left to others.
func (q *request) deliver(build func() ([]byte, error), name, obsName string) (reply, error) {
	target := gjson.GetBytes(q.body, "obsPath").String()
	if target == "" {
		return okZip(name, build)
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
		if data, err := build(); err == nil {
			_ = put(bucket, folder+"/"+obsName+".zip", data)
		}
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
