package dataarts

import (
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// checkJob holds a body against the rules of Creating a Job and Editing a Job (pathName is the name in the path then), and returns the
// definition to keep.
//
// Ranges of numbers (instanceTimeout, retryTimes...) are not checked: the documentation's own examples are outside of them.
func (q *request) checkJob(body []byte, pathName string) ([]byte, facts, error) {
	if !isObject(body) {
		return nil, facts{}, invalid("The body is not a JSON object.")
	}
	json := gjson.ParseBytes(body)
	if q.switches.RefuseUnknownKeys {
		if path := unknownKey(body, jobKeys()); path != "" {
			return nil, facts{}, invalid("Unrecognized field %q.", path)
		}
	}
	if err := q.checkTarget(json, pathName == ""); err != nil {
		return nil, facts{}, err
	}
	name := json.Get("name")
	switch {
	case name.Type != gjson.String || strings.TrimSpace(name.String()) == "":
		return nil, facts{}, refuse("DLF.3004", "The job name cannot be left blank.")
	case !legalName(name.String(), "._-", longestName, q.switches.LooseNames):
		return nil, facts{}, jobNameInvalid()
	case pathName != "" && name.String() != pathName:
		return nil, facts{}, jobNameInvalid() // V1 cannot rename; V2 has its own API for that.
	}
	if kind := json.Get("processType").String(); kind != batch && kind != realTime {
		return nil, facts{}, invalid("processType must be BATCH or REAL_TIME.")
	}
	if utf8.RuneCountInString(json.Get("description").String()) > 255 {
		return nil, facts{}, refuse("DLF.3050", "The job description is invalid.")
	}
	for _, check := range []func(gjson.Result) *problem{q.checkNodes, checkParams, checkSchedule} {
		if err := check(json); err != nil {
			return nil, facts{}, err
		}
	}
	text := definition(Jobs, body)
	f := read(text)
	for _, depend := range f.depends {
		if q.ws.shelves[Jobs].current(depend) == nil && !q.arriving[depend] {
			return nil, facts{}, badSchedule("The depended job " + depend + " does not exist.")
		}
	}
	return text, f, nil
}

// checkTarget checks targetStatus and approvers. Editing has no targetStatus.
func (q *request) checkTarget(json gjson.Result, create bool) error {
	target := json.Get("targetStatus")
	switch target.String() {
	case "SAVED", "SUBMITTED", "PRODUCTION":
	case "":
		if q.switches.Review && create {
			return invalid("targetStatus is needed, because the review switch is on.")
		}
	default:
		return invalid("targetStatus must be SAVED, SUBMITTED or PRODUCTION.")
	}
	if q.switches.Review && create && target.String() != "SAVED" && !hasApprovers([]byte(json.Raw)) {
		return invalid("approvers is needed, because the review switch is on.")
	}
	return nil
}

func hasApprovers(body []byte) bool {
	return gjson.GetBytes(body, "approvers.0.approverName").String() != ""
}

// checkNodes checks what the page calls mandatory in nodes.
func (q *request) checkNodes(json gjson.Result) *problem {
	nodes := json.Get("nodes")
	if !nodes.IsArray() {
		return refuse("DLF.1006", "Node is empty.")
	}
	all := nodes.Array()
	if len(all) == 0 && q.switches.RefuseNoNodes {
		return refuse("DLF.1006", "Node is empty.")
	}
	if len(all) > 200 {
		return invalid("A job has at most 200 nodes.")
	}
	names := map[string]bool{}
	for _, n := range all {
		name := n.Get("name").String()
		if name == "" || utf8.RuneCountInString(name) > 128 || names[name] {
			return invalid("Node name %q is empty, longer than 128 characters, or not unique.", name)
		}
		names[name] = true
		if n.Get("type").String() == "" {
			return invalid("Node %q has no type.", name)
		}
		if !n.Get("location").IsObject() {
			return invalid("Node %q has no location.", name)
		}
		if !n.Get("properties").IsArray() {
			return invalid("Node %q has no properties.", name)
		}
	}
	for _, n := range all {
		for _, before := range n.Get("preNodeName").Array() {
			if !names[before.String()] {
				return invalid("Node %q comes after %q, which does not exist.", n.Get("name").String(), before.String())
			}
		}
	}
	return nil
}

func checkParams(json gjson.Result) *problem {
	for _, param := range json.Get("params").Array() {
		if !legalName(param.Get("name").String(), "_-", 64, false) {
			return invalid("Parameter name %q is invalid.", param.Get("name").String())
		}
		if utf8.RuneCountInString(param.Get("value").String()) > 1024 {
			return invalid("The value of parameter %q is longer than 1024 characters.", param.Get("name").String())
		}
	}
	return nil
}

// checkSchedule checks the schedule. CRON without a cron object is legal: the documentation's example has it.
func checkSchedule(json gjson.Result) *problem {
	schedule := json.Get("schedule")
	switch schedule.Get("type").String() {
	case "EXECUTE_ONCE", "CRON", "EVENT":
	default:
		return badSchedule("type must be EXECUTE_ONCE, CRON or EVENT.")
	}
	if cron := schedule.Get("cron"); cron.IsObject() {
		if cron.Get("startTime").String() == "" {
			return badSchedule("cron needs startTime.")
		}
		// <second> <minute> <hour> <day> <month> <week>
		parts := strings.Fields(cron.Get("expression").String())
		if len(parts) != 6 || parts[0] != "0" || parts[4] != "*" {
			return badSchedule("expression needs six parts: the second is 0, the month is *.")
		}
	}
	if event := schedule.Get("event"); event.IsObject() {
		kind := event.Get("eventType").String()
		if kind == "" {
			kind = event.Get("engineType").String() // as in an example of Show Job
		}
		switch kind {
		case "KAFKA", "DIS", "OBS":
		default:
			return badSchedule("eventType must be KAFKA, DIS or OBS.")
		}
	}
	return nil
}
