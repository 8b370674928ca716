package config

import "slices"

// variable is an environment variable and the functions that read it.
type variable struct {
	name      string
	functions []Function
}

// variables lists every variable there is. What a function is not listed for it does not read, even when it is set: one
// function's malformed setting must not stop another one.
func variables() []variable {
	all := []Function{Backup, Restore, Console}
	assets := []Function{Backup, Restore} // the functions that write assets and tell people of it
	return []variable{
		{"DATAARTS_REGION", all},
		{"DATAARTS_PROJECT_ID", all},
		{"DATAARTS_WORKSPACES", all},
		{"DATAARTS_INSTANCE_ID", []Function{Backup}},
		{"DATAARTS_ENDPOINT", all}, // the console compares a backup with the live workspace
		{"DATAARTS_V2_ENDPOINT", all},
		{"DATAARTS_RATE_LIMIT", all},
		{"OBS_ENDPOINT", all},
		{"BACKUP_LOCATION", all},
		{"BACKUP_FUNCTION", []Function{Console}},
		{"FUNCTIONGRAPH_ENDPOINT", []Function{Backup, Console}}, // the backup hands workspaces to itself
		{"BACKUP_TIME_ZONE", []Function{Backup, Console}},       // the console says which day is today
		{"BACKUP_KEEP", []Function{Backup}},
		{"BACKUP_RECIPIENTS", assets}, // a restore encrypts what it saves before it writes
		{"RESTORE_IDENTITY", []Function{Restore, Console}},
		{"NOTIFY_TOPIC_URN", assets},
		{"SMN_ENDPOINT", assets},
		{"LOG_LEVEL", all},

		{"HUAWEICLOUD_SDK_AK", all},
		{"HUAWEICLOUD_SDK_SK", all},
		{"HUAWEICLOUD_SDK_SECURITY_TOKEN", all},
		{"OBS_ACCESS_KEY_ID", all},
		{"OBS_SECRET_ACCESS_KEY", all},
		{"OBS_SECURITY_TOKEN", all},
	}
}

// Names returns the variables that an operator can set for a function, credentials included. What the platforms set by
// themselves (RUNTIME_PROJECT_ID, AWS_ACCESS_KEY_ID, ...) is not among them. It is empty for an unknown function.
func Names(function Function) []string {
	var names []string
	for _, v := range variables() {
		if slices.Contains(v.functions, function) {
			names = append(names, v.name)
		}
	}
	return names
}
