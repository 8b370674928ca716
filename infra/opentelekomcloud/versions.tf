terraform {
  required_version = ">= 1.5.0"
  required_providers {
    opentelekomcloud = {
      source  = "opentelekomcloud/opentelekomcloud"
      version = ">= 1.36.56, < 2.0.0" # the first with the log alarms that are used here
      # Agencies and roles belong to the account, and the provider makes them only where it has no tenant_name; everything else needs one.
      configuration_aliases = [opentelekomcloud, opentelekomcloud.account]
    }
  }
}
