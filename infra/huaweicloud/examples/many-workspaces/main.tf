# Several workspaces of an instance, each below a folder of its own. The backups are encrypted, a drill restores one of them every Saturday, and the page is
# behind a gateway that is there already.

terraform {
  required_version = ">= 1.5.0"
  required_providers {
    huaweicloud = {
      source  = "huaweicloud/huaweicloud"
      version = ">= 1.95.0, < 2.0.0"
    }
  }
}

variable "region" {
  description = "Region of the workspaces, e.g. ap-southeast-3"
  type        = string
}

variable "workspaces" {
  description = "Ids of the workspaces to back up. Not *, because that would be the drill's workspace, too"
  type        = list(string)
}

variable "instance_id" {
  description = "Id of the DataArts Studio instance, for the names of the workspaces"
  type        = string
}

variable "bucket" {
  description = "Name of the bucket to create"
  type        = string
}

variable "resource_bucket" {
  description = "Name of the bucket with the jars of DataArts resources"
  type        = string
}

variable "kms_key_id" {
  description = "Id of the KMS key of the bucket"
  type        = string
}

variable "recipients" {
  description = "age public keys, of which the private ones are kept elsewhere"
  type        = list(string)
}

variable "restored" {
  description = "Id of the workspace of those whose backup the drill restores"
  type        = string
}

variable "drill_workspace" {
  description = "Id of an empty workspace that is there for drills alone, and is not backed up"
  type        = string
}

variable "gateway_id" {
  description = "Id of the dedicated APIG instance"
  type        = string
}

variable "accounts" {
  description = "Ids of the accounts that may call the APIs: as a rule this one's, which My Credentials in the console shows"
  type        = list(string)
}

variable "emails" {
  description = "Who is told of backups, failures and alarms"
  type        = list(string)
}

variable "alarm_user" {
  description = "Name of the IAM user in whose name alarms are sent"
  type        = string
}

provider "huaweicloud" {
  region = var.region
}

module "backup" {
  source = "../.."

  region           = var.region
  workspaces       = var.workspaces
  instance_id      = var.instance_id
  bucket           = var.bucket
  location         = "dataarts/{workspace}"
  resource_buckets = [var.resource_bucket]
  kms_key_id       = var.kms_key_id
  recipients       = var.recipients
  time_zone        = "Asia/Singapore"
  keep             = "daily=14,weekly=8,monthly=12"
  max_instances    = { backup = 40 }

  drill = {
    workspace = var.drill_workspace
    source    = var.restored
  }
  gateway = {
    instance_id = var.gateway_id
    auth        = "IAM"
    accounts    = var.accounts
    domain      = "backups.example.com"
  }

  emails     = var.emails
  alarm_user = var.alarm_user
  tags       = { service = "dataarts-backup" }
}

output "backup" {
  description = "What to do next"
  value       = module.backup
}
