# One workspace, backed up every night at midnight in Berlin: the backups lie below obs://<bucket>/dataarts/.

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
  description = "Region of the workspace, e.g. eu-west-101"
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

variable "email" {
  description = "Who is told of backups, failures and alarms"
  type        = string
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

  region     = var.region
  workspaces = [var.workspace]
  bucket     = var.bucket
  location   = "dataarts/{workspace}"
  time_zone  = "Europe/Berlin"
  keep       = "daily=30,weekly=8,monthly=12,yearly=3"
  emails     = [var.email]
  alarm_user = var.alarm_user
}

output "backup" {
  description = "What to do next"
  value       = module.backup
}
