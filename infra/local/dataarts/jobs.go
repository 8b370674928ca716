package dataarts

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// The values of processType and jobType.
const (
	batch    = "BATCH"
	realTime = "REAL_TIME"
)

// The statuses that start and stop lead to. PAUSED, STARTING, STOPPING and EXCEPTION only come from SetJobStatus.
const (
	statusScheduling = "SCHEDULING" // batch
	statusNormal     = "NORMAL"     // real-time
	statusStopped    = "STOPPED"
)

// run is what scheduling knows about a job.
type run struct {
	status         string
	started, ended time.Time
}

func (r *run) running() bool { return r != nil && r.status != statusStopped }

func (q *request) createJob() (reply, error) {
	text, f, err := q.checkJob(q.body, "")
	if err != nil {
		return reply{}, err
	}
	if err := q.addJob(text, f, text2string(q.body, "targetStatus")); err != nil {
		return reply{}, err
	}
	return noContent()
}

// addJob creates a job whose definition has been checked.
func (q *request) addJob(text []byte, f facts, targetStatus string) error {
	jobs := q.ws.shelves[Jobs]
	name := text2string(text, "name")
	if jobs.current(name) != nil {
		return jobExists()
	}
	if jobs.count(func(*asset) bool { return true }) >= orDefault(q.switches.JobQuota, 10_000) {
		return jobQuota()
	}
	if f.kind == realTime && jobs.count(func(a *asset) bool { return a.facts.kind == realTime }) >= orDefault(q.switches.RealTimeJobQuota, 500) {
		return jobQuota()
	}
	a := &asset{name: name, text: text, facts: f}
	if targetStatus != "SAVED" {
		a.submitted = text
	}
	if err := q.store(Jobs, name, a); err != nil {
		return err
	}
	q.ws.runs[name] = &run{status: statusStopped}
	return nil
}

// store makes a the current revision under a key.
func (q *request) store(kind Kind, key string, a *asset) error {
	directory, problem := q.checkDirectory(kind, a.text)
	if problem != nil {
		return problem
	}
	a.directory = directory
	a.createUser, a.modifyUser = q.user, q.user
	q.s.succeed(a, q.ws.shelves[kind].current(key), kind)
	q.record(kind, key, a)
	return nil
}

// record writes a revision that readers will see when the service is consistent again; a nil asset deletes.
func (q *request) record(kind Kind, key string, a *asset) {
	q.ws.set(kind, key, a, func(s *shelf) { s.put(key, revision{asset: a, at: time.Now(), reads: q.ws.reads}) })
}

func (q *request) updateJob() (reply, error) {
	name := q.args[1]
	old := q.ws.shelves[Jobs].current(name)
	if old == nil {
		return reply{}, jobMissing()
	}
	if err := q.checkLock(name); err != nil {
		return reply{}, err
	}
	if q.switches.RefuseRunning && q.ws.runs[name].running() {
		return reply{}, jobRunning(name)
	}
	text, f, err := q.checkJob(q.body, name)
	if err != nil {
		return reply{}, err
	}
	// Editing saves the development state; what is submitted, and so what runs, stays.
	if err := q.store(Jobs, name, &asset{name: name, text: text, facts: f}); err != nil {
		return reply{}, err
	}
	return noContent()
}

func (q *request) deleteJob() (reply, error) {
	name := q.args[1]
	if q.ws.shelves[Jobs].current(name) == nil {
		return reply{}, jobMissing()
	}
	if err := q.checkLock(name); err != nil {
		return reply{}, err
	}
	if err := q.checkApprovers(); err != nil {
		return reply{}, err
	}
	if q.switches.RefuseRunning && q.ws.runs[name].running() {
		return reply{}, jobRunning(name)
	}
	q.record(Jobs, name, nil)
	return noContent()
}

// checkLock is the rule of a hard lock. Which code the service has for it is not documented; this is the one for a missing permission.
func (q *request) checkLock(name string) error {
	if slices.Contains(q.switches.HardLocks, name) {
		return refuse("DLF.6888", "Invalid account permissions. "+name+" is locked by another user.")
	}
	return nil
}

// checkApprovers is the rule of the review switch for deletions. A body, if there is one, must be JSON all the same.
func (q *request) checkApprovers() error {
	if len(q.body) > 0 && !isObject(q.body) {
		return invalid("The body is not a JSON object.")
	}
	if q.switches.Review && (len(q.body) == 0 || !hasApprovers(q.body)) {
		return invalid("approvers is needed, because the review switch is on.")
	}
	return nil
}

func (q *request) showJob() (reply, error) {
	a := q.ws.shelves[Jobs].seen(q.args[1], q.view)
	if a == nil {
		return reply{}, jobMissing()
	}
	text, version := a.text, a.version
	switch wanted := q.query.Get("version"); {
	case wanted != "":
		number, err := strconv.Atoi(wanted)
		if err != nil {
			return reply{}, invalid("version is not a number.")
		}
		if text, version = a.versions[number], number; text == nil {
			return reply{}, jobMissing()
		}
	case q.query.Get("getJobSubmitVersion") == "true":
		if text = a.submitted; text == nil {
			return reply{}, jobMissing()
		}
	}
	var owned fields
	number, _ := strconv.Atoi(a.id)
	owned.add("id", number)
	if q.switches.StringCreateTime {
		owned.add("createTime", strconv.FormatInt(millis(a.created), 10))
	} else {
		owned.add("createTime", millis(a.created))
	}
	owned.add("version", version)
	owned.add("lastUpdateUser", a.modifyUser)
	if downstream := q.downstream(a.name); len(downstream) > 0 {
		owned.add("downstreamJobs", downstream)
	}
	return okJSON(spliced(oddTags(text, q.switches), owned)...)
}

type downstreamJob struct {
	JobID     string `json:"jobId"` // a string here, a number in Show Job
	JobName   string `json:"jobName"`
	WorkSpace string `json:"workSpace"`
}

func (q *request) downstream(name string) []downstreamJob {
	var found []downstreamJob
	for dependent := range q.ws.dependents[name] {
		if a := q.ws.shelves[Jobs].seen(dependent, q.view); a != nil {
			found = append(found, downstreamJob{a.id, a.name, q.ws.info.Name})
		}
	}
	slices.SortFunc(found, func(a, b downstreamJob) int { return strings.Compare(a.JobID, b.JobID) })
	return found
}

// oddTags spells a job without tags as the documentation's example does, if the switch says so.
func oddTags(text []byte, switches Switches) []byte {
	if !switches.EmptyTagsAsObject {
		return text
	}
	config, at, ok := lookup(text, "basicConfig")
	if !ok || config[0] != '{' {
		return text
	}
	tags, tagsAt, ok := lookup(config, "tags")
	switch {
	case !ok:
		var f fields
		f.add("tags", struct{}{})
		config = slices.Concat(spliced(config, f)...)
	case tags[0] == '[' && len(elements(tags)) == 0:
		config = replaceValue(config, tagsAt, []byte("{}"))
	}
	return replaceValue(text, at, config)
}

func (q *request) listJobs() (reply, error) {
	jobs, err := q.filterJobs(q.query.Get("jobType"), batch, q.query.Get("jobName"))
	if err != nil {
		return reply{}, err
	}
	cut, total, err := page(q, q.v1Paging(), q.moving(Jobs, jobs))
	if err != nil {
		return reply{}, err
	}
	omits := q.rowOmits(Jobs)
	rows := make([][][]byte, len(cut))
	for i, a := range cut {
		row := q.jobRow(a, omits)
		rows[i] = [][]byte{row.object()}
	}
	return list("jobs", max(0, total+q.switches.TotalDelta), rows)
}

func (q *request) filterJobs(jobType, fallback, name string) ([]*asset, error) {
	switch jobType {
	case "":
		jobType = fallback
	case batch, realTime:
	default:
		return nil, invalid("jobType must be BATCH or REAL_TIME.")
	}
	var tags []string
	if text := q.query.Get("tags"); text != "" {
		tags = strings.Split(text, ",")
	}
	return q.filter(Jobs, func(a *asset) bool {
		if jobType != "" && (a.facts.kind == realTime) != (jobType == realTime) || !fuzzy(a.name, name) {
			return false
		}
		return len(tags) == 0 || slices.ContainsFunc(tags, func(tag string) bool {
			return slices.Contains(a.facts.labels, tag) || slices.Contains(q.ws.tags[a.name], tag)
		})
	}), nil
}

// jobRow is a row of the job list without some fields. Rows of real-time jobs carry no owner, path, priority or status.
func (q *request) jobRow(a *asset, omits []string) fields {
	r := q.ws.runs[a.name]
	if r == nil { // deleted, and still seen by readers
		r = &run{status: statusStopped}
	}
	jobType := batch
	if a.facts.kind == realTime {
		jobType = realTime
	}
	row := fields{drop: omits}
	row.add("createTime", millis(a.created))
	row.add("createUser", a.createUser)
	row.add("jobType", jobType)
	if !r.started.IsZero() {
		ended := r.ended
		if ended.IsZero() {
			ended = r.started
		}
		row.add("lastInstanceEndTime", millis(ended))
		row.add("lastInstanceStatus", "success")
	}
	if jobType == batch {
		row.add("lastUpdateTime", millis(a.modified))
		row.add("lastUpdateUser", a.modifyUser)
	}
	row.add("name", a.name)
	if jobType == batch {
		owner := a.facts.owner
		if owner == "" {
			owner = a.createUser
		}
		row.add("owner", owner)
		row.add("path", strings.TrimSuffix(a.directory, "/")+"/")
		row.add("priority", a.facts.priority)
		row.add("singleNodeJobFlag", a.facts.single)
	}
	if !r.started.IsZero() {
		row.add("startTime", millis(r.started))
	}
	if jobType == batch {
		row.add("status", r.status)
	}
	return row
}
