package config

// AWS is what a console on Lambda is told of the account that it runs in. It is zero everywhere else.
type AWS struct {
	Region            string // AWS_REGION
	LambdaEndpoint    string // AWS_ENDPOINT_URL_LAMBDA, else AWS_ENDPOINT_URL: base URL without a slash at its end; empty: the region's
	SchedulerEndpoint string // AWS_ENDPOINT_URL_SCHEDULER, else AWS_ENDPOINT_URL: the same of EventBridge Scheduler
}

// aws reads the region, which Lambda presets, and the endpoints by the names that every AWS SDK reads them by ("Service-specific endpoints" of the AWS
// SDKs and Tools reference). Elsewhere these variables are somebody else's.
func (r *reader) aws(c *Config) {
	if c.Function != Console || r.platform("AWS_LAMBDA_RUNTIME_API") == "" {
		return
	}
	if region := r.platform("AWS_REGION"); regionID.MatchString(region) {
		c.AWS.Region = region
	}
	everywhere := r.checkedEndpoint("AWS_ENDPOINT_URL", r.platform("AWS_ENDPOINT_URL"))
	service := func(name string) string {
		if endpoint := r.checkedEndpoint(name, r.platform(name)); endpoint != "" {
			return endpoint
		}
		return everywhere
	}
	c.AWS.LambdaEndpoint = service("AWS_ENDPOINT_URL_LAMBDA")
	c.AWS.SchedulerEndpoint = service("AWS_ENDPOINT_URL_SCHEDULER")
}
