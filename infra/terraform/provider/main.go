// Command provider is Terraform's provider for Huawei Cloud, built from its source by way of the Go module proxy, so that what stands in
// infra/huaweicloud can be checked against the real schemas wherever Go modules can be had, without Terraform's registry.
//
// The provider's module cannot be installed by itself, because its go.mod replaces a module; so this one requires it and replaces the same.
// It is a module of its own because the product must not depend on any of it.
package main

import (
	"github.com/hashicorp/terraform-plugin-sdk/v2/plugin"
	"github.com/huaweicloud/terraform-provider-huaweicloud/huaweicloud"
)

func main() {
	plugin.Serve(&plugin.ServeOpts{ProviderFunc: huaweicloud.Provider})
}
