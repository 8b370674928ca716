package dataarts

// keys are the members that an object may have; nil stands for a value whose inside is free.
type keys map[string]keys

// jobKeys are the keys of Creating a Job and Editing a Job, and none of those that only exported jobs are seen to have.
func jobKeys() keys {
	free := func(names ...string) keys {
		k := keys{}
		for _, name := range names {
			k[name] = nil
		}
		return k
	}
	with := func(k keys, name string, inside keys) keys {
		k[name] = inside
		return k
	}
	same := free("dependOnLastPeriod", "jobName")
	other := free("dependOnLastPeriod", "jobName", "workSpaceId", "workSpace", "dependType", "dependOnLastNPeriodValue")
	depend := with(with(free("jobs", "dependPeriod", "dependFailPolicy"), "sameWorkSpaceJobs", same), "otherWorkSpaceJobs", other)
	cron := with(free("startTime", "endTime", "expression", "expressionTimeZone", "dependPrePeriod", "intervalType"), "dependJobs", depend)
	event := free("eventType", "channel", "failPolicy", "concurrent", "readPolicy")
	cronTrigger := with(free("startTime", "endTime", "expression", "expressionTimeZone", "dependPrePeriod", "period", "concurrent"), "dependJobs", depend)
	node := free("name", "type", "preNodeName", "pollingInterval", "maxExecutionTime", "retryTimes", "retryInterval", "failPolicy", "execTimeOutRetry")
	node = with(node, "location", free("x", "y"))
	node = with(node, "conditions", free("preNodeName", "expression"))
	node = with(node, "properties", free("name", "value"))
	node = with(with(node, "eventTrigger", event), "cronTrigger", cronTrigger)
	job := free("id", "name", "processType", "directory", "singleNodeJobFlag", "singleNodeJobType", "lastUpdateUser", "logPath",
		"emptyRunningJob", "cleanOverdueDays", "cleanWaitingJob", "targetStatus", "description")
	job = with(job, "params", free("name", "value", "type"))
	job = with(job, "basicConfig", free("owner", "priority", "executeUser", "instanceTimeout", "customFields", "agency", "isIgnoreWaiting", "tags"))
	job = with(job, "approvers", free("approverName"))
	job = with(job, "schedule", with(with(free("type"), "cron", cron), "event", event))
	return with(job, "nodes", node)
}

// unknownKey returns the path of the first key in a valid JSON text that is not known, empty for none. What holds for an object holds for the
// objects of an array in its place.
func unknownKey(text []byte, known keys) string {
	switch {
	case known == nil || len(text) == 0:
		return ""
	case text[0] == '[':
		for _, span := range elements(text) {
			if path := unknownKey(text[span[0]:span[1]], known); path != "" {
				return path
			}
		}
		return ""
	case text[0] != '{':
		return ""
	}
	for _, m := range members(text) {
		inside, ok := known[m.name]
		if !ok {
			return m.name
		}
		if path := unknownKey(text[m.value:m.end], inside); path != "" {
			return m.name + "." + path
		}
	}
	return ""
}
