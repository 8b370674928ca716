package config

import "strings"

// Self names the function that runs, as FunctionGraph tells it in the environment. The zero value means that this is not FunctionGraph.
type Self struct {
	ProjectID string // of the function: RUNTIME_PROJECT_ID, else that of DataArts
	URN       string // urn:fss:<region>:<project id>:function:<package>:<function>:<version>
}

// self reads the variables that FunctionGraph presets ("Creating a Function Using a Custom Runtime"). They are the platform's: what is odd in them
// is no fault of the operator, and makes Self zero.
func (r *reader) self(c *Config) Self {
	project := r.platform("RUNTIME_PROJECT_ID")
	if !plainID.MatchString(project) {
		project = c.ProjectID
	}
	parts := []string{c.Region, project, r.platform("RUNTIME_PACKAGE"), r.platform("RUNTIME_FUNC_NAME"), r.platform("RUNTIME_FUNC_VERSION")}
	for _, part := range parts {
		if part == "" || strings.ContainsAny(part, ":/ \t\r\n") {
			return Self{}
		}
	}
	return Self{ProjectID: project, URN: "urn:fss:" + parts[0] + ":" + parts[1] + ":function:" + strings.Join(parts[2:], ":")}
}
