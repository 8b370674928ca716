package dataarts

func (q *request) startJob() (reply, error) {
	a := q.ws.shelves[Jobs].current(q.args[1])
	if a == nil {
		return reply{}, jobMissing()
	}
	if len(q.body) > 0 && !isObject(q.body) {
		return reply{}, invalid("The body is not a JSON object.")
	}
	if a.submitted == nil {
		return reply{}, invalid("The job has no submitted version.")
	}
	r := q.ws.runs[a.name]
	r.started, r.status = q.s.now(), statusScheduling
	if a.facts.kind == realTime {
		r.status = statusNormal
	}
	return noContent()
}

func (q *request) stopJob() (reply, error) {
	a := q.ws.shelves[Jobs].current(q.args[1])
	if a == nil {
		return reply{}, jobMissing()
	}
	if r := q.ws.runs[a.name]; r.running() {
		r.status, r.ended = statusStopped, q.s.now()
	}
	return noContent()
}

// showJobStatus is for real-time jobs only. Its fields are those of the page Viewing Running Status of a Real-Time Job.
func (q *request) showJobStatus() (reply, error) {
	a := q.ws.shelves[Jobs].seen(q.args[1], q.view)
	if a == nil {
		return reply{}, jobMissing()
	}
	if a.facts.kind != realTime {
		return reply{}, invalid("The job is not a real-time job.")
	}
	r := q.ws.runs[a.name]
	if r == nil {
		r = &run{status: statusStopped}
	}
	type nodeStatus struct {
		Name   string `json:"name"`
		Status string `json:"status"`
		Type   string `json:"type"`
	}
	nodes := []nodeStatus{}
	for _, n := range a.facts.nodes {
		nodes = append(nodes, nodeStatus{n.name, r.status, n.kind})
	}
	var f fields
	f.add("lastUpdateTime", millis(a.modified))
	f.add("name", a.name)
	f.add("nodes", nodes)
	if !r.started.IsZero() {
		f.add("startTime", millis(r.started))
	}
	if !r.ended.IsZero() {
		f.add("endTime", millis(r.ended))
	}
	f.add("status", r.status)
	return okJSON(f.object())
}
