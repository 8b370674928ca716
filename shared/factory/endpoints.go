package factory

import "slices"

// DefaultEndpoints returns the base URLs of the V1 and V2 APIs in a region of Huawei Cloud, as the region tables of
// huaweicloud-sdk-go-v3 have them (services dgc and dataartsstudio).
//
// It differs from those tables in one region: for eu-west-101 they name a host below myhuaweicloud.com, while the Endpoints
// page documents myhuaweicloud.eu, where the whole European site is.
//
// Open Telekom Cloud (eu-de, eu-nl) is in neither table, and its documents name no host either: there ok is false, and the
// endpoints must be configured.
func DefaultEndpoints(region string) (v1, v2 string, ok bool) {
	if !slices.Contains(regions(), region) {
		return "", "", false
	}
	host, domain := "dayu-dlf.", ".myhuaweicloud.com"
	switch region {
	case "cn-east-4":
		host = "dayu." // This region has one host for both APIs.
	case "eu-west-101":
		domain = ".myhuaweicloud.eu"
	}
	return "https://" + host + region + domain, "https://dayu." + region + domain, true
}

// regions are those of the SDK's two tables, which have the same ones. A copy, because the SDK's package of regions reads
// the environment and a file in the home directory, and brings a YAML parser along; a test holds it to the original.
func regions() []string {
	return []string{
		"ae-ad-1", "af-south-1",
		"ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4",
		"cn-east-2", "cn-east-3", "cn-east-4",
		"cn-north-1", "cn-north-2", "cn-north-4", "cn-north-9", "cn-north-11",
		"cn-south-1", "cn-southwest-2",
		"eu-west-101", "la-north-2", "la-south-2", "me-east-1", "my-kualalumpur-1", "na-mexico-1",
		"ru-moscow-1", "ru-northwest-2", "sa-brazil-1", "tr-west-1",
	}
}
