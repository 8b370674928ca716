package config

import (
	"net/url"
	"slices"
	"strings"
)

const wantEndpoint = "a base URL such as https://host or https://host:port, without user, query or fragment"

// endpoint reads the base URL of a service, or returns the default one.
func (r *reader) endpoint(name, byDefault string) string {
	if value := r.checkedEndpoint(name, r.text(name)); value != "" {
		return value
	}
	return byDefault
}

// checkedEndpoint is the base URL of a service in a variable without a slash at its end; empty when it is not set.
func (r *reader) checkedEndpoint(name, value string) string {
	if value == "" {
		return ""
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") ||
		u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		r.malformed(name, value, wantEndpoint)
	}
	return strings.TrimRight(value, "/")
}

// dataArts reads what the functions need that call the DataArts API.
func (r *reader) dataArts(c *Config, opts Options) {
	if !r.reads("DATAARTS_ENDPOINT") {
		return
	}
	var v1, v2 string
	if opts.DataArtsEndpoints != nil {
		v1, v2, _ = opts.DataArtsEndpoints(c.Region)
	}
	want := wantEndpoint
	if c.Region != "" {
		want += ", because none is known for the region " + c.Region
	}
	c.Endpoint = r.endpoint("DATAARTS_ENDPOINT", v1)
	c.V2Endpoint = r.endpoint("DATAARTS_V2_ENDPOINT", v2)
	// Without a valid region nothing can be said about its endpoints: the region is the fault then. The console does most of its work without DataArts.
	if r.assets && regionID.MatchString(c.Region) {
		if c.Endpoint == "" {
			r.missing("DATAARTS_ENDPOINT", want)
		}
		if c.V2Endpoint == "" {
			r.missing("DATAARTS_V2_ENDPOINT", want)
		}
	}
	c.RateLimit = r.rateLimit()
}

func (r *reader) store(c *Config) {
	c.OBSEndpoint = r.endpoint("OBS_ENDPOINT", regional("obs", c.Region))
}

// regional is the base URL of a service in a region. The domains are those of the endpoint pages of Huawei Cloud, Huawei Cloud
// Europe and Open Telekom Cloud, and those of OBS and SMN in eu-west-101 of the SDK's region tables. FunctionGraph's there is
// under myhuaweicloud.com.
func regional(service, region string) string {
	if region == "" {
		return ""
	}
	domain := "myhuaweicloud.com"
	switch {
	case region == "eu-de" || region == "eu-nl":
		domain = "otc.t-systems.com"
	case region == "eu-west-101" && (service == "obs" || service == "smn"):
		domain = "myhuaweicloud.eu"
	}
	return "https://" + service + "." + region + "." + domain
}

// speaksOBS tells whether an endpoint is one of Huawei Cloud or Open Telekom Cloud; every other one speaks S3.
func speaksOBS(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return slices.ContainsFunc([]string{"myhuaweicloud.com", "myhuaweicloud.eu", "otc.t-systems.com"}, func(domain string) bool {
		return strings.HasSuffix(host, "."+domain)
	})
}

// DataArtsReadsStore tells whether DataArts finds in the store what lies there under an obs:// path. It does where the store is OBS. Where the store is another one,
// DataArts would look into the bucket of that name on OBS, which may be a stranger's; only a local cloud, whose DataArts is none of Huawei's hosts, has both in one place.
func (c *Config) DataArtsReadsStore() bool {
	return speaksOBS(c.OBSEndpoint) || !speaksOBS(c.Endpoint)
}
