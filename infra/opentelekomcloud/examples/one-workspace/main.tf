# One workspace, backed up every night at midnight in Berlin: the backups lie below obs://<bucket>/dataarts/.

terraform {
  required_version = ">= 1.5.0"
  required_providers {
    opentelekomcloud = {
      source  = "opentelekomcloud/opentelekomcloud"
      version = ">= 1.36.56, < 2.0.0"
    }
  }
}

variable "account" {
  description = "Name of the account (domain), OTC-EU-DE-..."
  type        = string
}

variable "workspace" {
  description = "Id of the workspace to back up"
  type        = string
}

variable "bucket" {
  description = "Name of the bucket to create"
  type        = string
}

variable "kms_key_id" {
  description = "Id of the KMS key of the bucket"
  type        = string
}

variable "email" {
  description = "Who is told of backups, failures and alarms"
  type        = string
}

variable "alarm_user" {
  description = "Name of the IAM user in whose name alarms are sent"
  type        = string
}

# Keys come from OS_ACCESS_KEY and OS_SECRET_KEY. OS_TENANT_NAME and OS_PROJECT_NAME must not be set: they would count for both.
provider "opentelekomcloud" {
  auth_url    = "https://iam.eu-de.otc.t-systems.com/v3"
  domain_name = var.account
  tenant_name = "eu-de"
}

# Agencies and roles are made where no project is named.
provider "opentelekomcloud" {
  alias       = "account"
  auth_url    = "https://iam.eu-de.otc.t-systems.com/v3"
  domain_name = var.account
}

module "backup" {
  source = "../.."
  providers = {
    opentelekomcloud         = opentelekomcloud
    opentelekomcloud.account = opentelekomcloud.account
  }

  workspaces = [var.workspace]
  bucket     = var.bucket
  location   = "dataarts/{workspace}"
  kms_key_id = var.kms_key_id
  time_zone  = "Europe/Berlin"
  keep       = "daily=30,weekly=8,monthly=12,yearly=3"
  emails     = [var.email]
  alarm_user = var.alarm_user
}

output "backup" {
  description = "What to do next"
  value       = module.backup
}
