# What is deployed, and where

variable "name" {
  description = "Beginning of the names of everything that is created: functions, agencies, roles, log group, topic, alarms. Two deployments in one account need two names"
  type        = string
  default     = "dataarts-backup"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "The name has 3 to 32 of a-z, 0-9 and '-', with a letter in front and no '-' at the end."
  }
}

variable "region" {
  description = "Region of the workspaces, the functions and the bucket, which the provider has to be in, too. DataArts Studio, FunctionGraph and API Gateway are documented for eu-de alone"
  type        = string
  default     = "eu-de"
  validation {
    condition     = contains(["eu-de", "eu-nl"], var.region)
    error_message = "The region is eu-de or eu-nl."
  }
}

variable "project_name" {
  description = "Name of the project that the functions are in, the provider's tenant_name; empty: the region's main project, which has the region's name. OBS notifies functions of the main project only"
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{0,64}$", var.project_name))
    error_message = "The name of a project has up to 64 of A-Z, a-z, 0-9, '_' and '-'."
  }
}

variable "project_id" {
  description = "Id of the project that the workspaces are in, where it is another one than the functions'; its name goes into dataarts_project_name. Empty: that of the functions"
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{0,64}$", var.project_id))
    error_message = "The id of a project has up to 64 of A-Z, a-z, 0-9, '_' and '-'."
  }
}

variable "dataarts_project_name" {
  description = "Name of the project with the id project_id: the agencies get dataarts_role in that one. Empty: project_id is empty, too"
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{0,64}$", var.dataarts_project_name))
    error_message = "The name of a project has up to 64 of A-Z, a-z, 0-9, '_' and '-'."
  }
}

variable "tags" {
  description = "Tags of everything that can have some"
  type        = map(string)
  default     = {}
}

# What is backed up

variable "workspaces" {
  description = "Ids of the DataArts workspaces to back up; [\"*\"] for every workspace of the instance, also those that are made later"
  type        = list(string)
  validation {
    condition     = length(var.workspaces) > 0 && length(distinct(var.workspaces)) == length(var.workspaces)
    error_message = "Name at least one workspace, and each of them once."
  }
  validation {
    condition     = try(var.workspaces[0], "") == "*" ? length(var.workspaces) == 1 : alltrue([for w in var.workspaces : can(regex("^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$", w))])
    error_message = "The id of a workspace has 1 to 64 of A-Z, a-z, 0-9, '_', '-' and '.', with no '.' in front; * stands alone."
  }
}

variable "instance_id" {
  description = "Id of the DataArts Studio instance: needed where the workspaces are *, and otherwise for the workspaces' names in messages"
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{0,64}$", var.instance_id))
    error_message = "The id of an instance has up to 64 of A-Z, a-z, 0-9, '_' and '-'."
  }
}

variable "dataarts_endpoint" {
  description = "Base URL of DataArts Factory's V1 API; empty: https://dayu-dlf.<region>.otc.t-systems.com, which the list of endpoints has for eu-de"
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^(https://[^ ?#@,]+)?$", var.dataarts_endpoint))
    error_message = "An endpoint begins with https:// and has no query."
  }
}

variable "dataarts_v2_endpoint" {
  description = "Base URL of DataArts Factory's V2 API, which has the environment variables; empty: https://dayu.<region>.otc.t-systems.com, which no list of endpoints has"
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^(https://[^ ?#@,]+)?$", var.dataarts_v2_endpoint))
    error_message = "An endpoint begins with https:// and has no query."
  }
}

variable "rate_limit" {
  description = "Requests to DataArts in a second, by one invocation; null: 25"
  type        = number
  default     = null
  validation {
    condition     = var.rate_limit == null ? true : var.rate_limit > 0
    error_message = "The limit is a number above 0."
  }
}

variable "obs_endpoint" {
  description = "Base URL of OBS; empty: the region's"
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^(https://[^ ?#@,]+)?$", var.obs_endpoint))
    error_message = "An endpoint begins with https:// and has no query."
  }
}

variable "functiongraph_endpoint" {
  description = "Base URL of FunctionGraph's API; empty: the region's"
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^(https://[^ ?#@,]+)?$", var.functiongraph_endpoint))
    error_message = "An endpoint begins with https:// and has no query."
  }
}

variable "smn_endpoint" {
  description = "Base URL of SMN's API; empty: the region's"
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^(https://[^ ?#@,]+)?$", var.smn_endpoint))
    error_message = "An endpoint begins with https:// and has no query."
  }
}

# When, how long, and for whom it can be read

variable "time_zone" {
  description = "IANA time zone of midnight and of the backups' dates, e.g. Europe/Berlin"
  type        = string
  validation {
    condition     = can(regex("^(UTC|[A-Za-z]+(/[A-Za-z0-9_+-]+){1,2})$", var.time_zone))
    error_message = "The time zone is one of the IANA database, such as Europe/Berlin, or UTC."
  }
}

variable "nightly_folder" {
  description = "Folder below the location for the nightly backups; empty: the location itself. The Manage Backup page can change it later"
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^([^/\\\\{}\"*?<>|:]+(/[^/\\\\{}\"*?<>|:]+)*)?$", var.nightly_folder)) && !anytrue([for s in split("/", var.nightly_folder) : contains([".", "..", "restore-requests", "restores", "drills", "leases", "removed", "verifications"], s) || can(regex("^[0-9]{4}-[0-9]{2}-[0-9]{2}", s))])
    error_message = "A folder such as nightly, with no slash at its ends, that is none of the functions' own folders and no date."
  }
}

variable "keep" {
  description = "How many backups are kept, e.g. daily=30,weekly=8,monthly=12,yearly=3; empty: all of them"
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^((daily|weekly|monthly|yearly)=[1-9][0-9]{0,4}(,(daily|weekly|monthly|yearly)=[1-9][0-9]{0,4})*)?$", var.keep)) && length(distinct(regexall("[a-z]+", var.keep))) == length(regexall("[a-z]+", var.keep))
    error_message = "Rules such as daily=30,weekly=8,monthly=12,yearly=3, each at most once."
  }
  validation {
    condition     = alltrue([for n in regexall("[0-9]+", var.keep) : tonumber(n) <= 36525])
    error_message = "A rule keeps 36525 backups at most: one for each day of a century."
  }
}

variable "recipients" {
  description = "age public keys that asset files are encrypted to; none: plain files. Who loses all private keys has lost the backups"
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for r in var.recipients : can(regex("^age1[02-9ac-hj-np-z]{58}$", r))])
    error_message = "A recipient is an age public key: age1 and 58 characters."
  }
}

variable "restore_identity" {
  description = "age private key with which encrypted backups are restored. It is part of Terraform's state: leave it empty until a restore needs it, or keep the state as safe as the key"
  type        = string
  default     = ""
  sensitive   = true
  validation {
    condition     = can(regex("^(AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58})?$", var.restore_identity))
    error_message = "The identity is an age private key: AGE-SECRET-KEY-1 and 58 characters."
  }
}

variable "verify_schedule" {
  description = "When the newest backup of every workspace is read again and verified: seconds, minutes, hours, day of month, month, day of week, in the time zone; empty: never"
  type        = string
  default     = "0 0 6 * * 0"
  validation {
    condition     = can(regex("^([0-5]?[0-9] [0-5]?[0-9] ([01]?[0-9]|2[0-3])( (\\*|\\?|[0-9A-Za-z,/*-]+)){3})?$", var.verify_schedule))
    error_message = "Six fields, such as 0 0 6 * * 0 for six o'clock on Sundays; the first three are numbers."
  }
}

variable "drill" {
  description = "A restore drill of the newest backup into a workspace that is there for drills alone, and when it is held; null: none. The workspace is one that is not backed up, so the workspaces to back up are named, and not *. source is the workspace whose backup is restored, needed where several are backed up"
  type = object({
    workspace = string
    source    = optional(string, "")
    schedule  = optional(string, "0 0 4 * * 6")
  })
  default = null
  validation {
    condition     = var.drill == null ? true : can(regex("^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$", var.drill.workspace)) && can(regex("^([A-Za-z0-9_-][A-Za-z0-9._-]{0,63})?$", var.drill.source))
    error_message = "The workspaces are ids of 1 to 64 of A-Z, a-z, 0-9, '_', '-' and '.'."
  }
  validation {
    condition     = var.drill == null ? true : can(regex("^[0-5]?[0-9] [0-5]?[0-9] ([01]?[0-9]|2[0-3])( (\\*|\\?|[0-9A-Za-z,/*-]+)){3}$", var.drill.schedule))
    error_message = "Six fields, such as 0 0 4 * * 6 for four o'clock on Saturdays; the first three are numbers."
  }
}

# Where the backups lie

variable "dataarts_role" {
  description = "System role with which the functions use DataArts, which knows no finer permissions: DAYU Administrator, or one with which each agency also needs a role in the workspaces (viewer for the console, developer for the backup, admin for the restore)"
  type        = string
  default     = "DAYU User"
  validation {
    condition     = contains(["DAYU User", "DAYU Administrator"], var.dataarts_role)
    error_message = "DAYU User or DAYU Administrator."
  }
}

variable "bucket" {
  description = "Name of the bucket for the backups"
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "The name of the bucket has 3 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends. A '.' would break the certificate of its address."
  }
}

variable "create_bucket" {
  description = "Whether the bucket is created here. One that is there already needs versioning, and is left as it is"
  type        = bool
  default     = true
}

variable "worm_days" {
  description = "For how many days the bucket protects every version from being deleted, by anybody (WORM, compliance mode); 0: not at all. It can be had only when the bucket is created: a change later asks for a new bucket"
  type        = number
  default     = 0
  validation {
    condition     = var.worm_days >= 0 && var.worm_days <= 36500 && floor(var.worm_days) == var.worm_days
    error_message = "A whole number of days, 36500 at most."
  }
}

variable "location" {
  description = "Folder in the bucket below which the backups lie. Holds {workspace} where each workspace has its own, as several workspaces must; empty: the bucket itself, or {workspace} where there are several"
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^([^/\\\\\"*?<>|:]+(/[^/\\\\\"*?<>|:]+)*)?$", var.location)) && !can(regex("[{}]", replace(var.location, "{workspace}", ""))) && !anytrue([for s in split("/", var.location) : s == "." || s == ".."])
    error_message = "A folder such as dataarts/{workspace}, with no slash at its ends; {workspace} is the only placeholder, and \\ \" * ? < > | : are not allowed."
  }
}

variable "resource_buckets" {
  description = "Names of the buckets that the files of DataArts resources (jars, packages) lie in: the backup reads them, a restore puts them back. Files elsewhere are reported as missing"
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for b in var.resource_buckets : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", b))])
    error_message = "Each is the name of a bucket, without a folder."
  }
}

variable "kms_key_id" {
  description = "Id of the KMS key that the bucket of the backups is encrypted with, of the region's main project; \"\" for a bucket without encryption, which has to be said. The key is not made here, because terraform destroy would take it along, and the backups with it"
  type        = string
  validation {
    condition     = can(regex("^([0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12})?$", var.kms_key_id))
    error_message = "The id of a KMS key looks like 0d0466b0-e727-4d9c-b35d-f84bb474a37f."
  }
}

variable "resource_kms_key_ids" {
  description = "Ids of the KMS keys that resource_buckets are encrypted with: the functions read with them, and the restore writes. Buckets that OBS encrypts with keys of its own need none"
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for id in var.resource_kms_key_ids : can(regex("^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$", id))])
    error_message = "The id of a KMS key looks like 0d0466b0-e727-4d9c-b35d-f84bb474a37f."
  }
}

variable "noncurrent_version_days" {
  description = "For how many days the bucket keeps versions that were overwritten or deleted: that long, what somebody deletes can be brought back"
  type        = number
  default     = 30
  validation {
    condition     = var.noncurrent_version_days >= 1 && floor(var.noncurrent_version_days) == var.noncurrent_version_days
    error_message = "A whole number of days, 1 at least."
  }
}

variable "access_log_bucket" {
  description = "Name of an existing bucket for the access logs of the backups' bucket; empty: one is created, <bucket>-logs"
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$", var.access_log_bucket))
    error_message = "The name of a bucket has 3 to 63 of a-z, 0-9, '.' and '-'."
  }
}

variable "access_log_days" {
  description = "For how many days access logs are kept in the bucket that is created for them"
  type        = number
  default     = 365
  validation {
    condition     = var.access_log_days >= 1 && floor(var.access_log_days) == var.access_log_days
    error_message = "A whole number of days, 1 at least."
  }
}

variable "store_keys" {
  description = "Access key for the bucket where it belongs to another account; null: the functions' own agencies. It is part of Terraform's state"
  type = object({
    access_key     = string
    secret_key     = string
    security_token = optional(string, "")
  })
  default   = null
  sensitive = true
}

# The functions

variable "memory" {
  description = "Memory of each function in MB. The defaults leave room above docs/benchmarks.md: 94 MB for ten thousand jobs and scripts, 122 MB for scripts of 4 MB each; the processor's share grows with it"
  type = object({
    backup  = optional(number, 512)
    restore = optional(number, 512)
    console = optional(number, 512)
  })
  default = {}
  validation {
    condition     = alltrue([for m in values(var.memory) : contains([256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 8192, 10240], m)])
    error_message = "FunctionGraph has 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 8192 and 10240 MB; less than 256 is too little."
  }
}

variable "timeout" {
  description = "Time limit of an invocation of each function in seconds. What is cut off is continued by the next attempt, of which there are four. The documents disagree on whether more than 900 is to be had"
  type = object({
    backup  = optional(number, 900)
    restore = optional(number, 900)
    console = optional(number, 60)
  })
  default = {}
  validation {
    condition     = alltrue([for t in [var.timeout.backup, var.timeout.restore] : t >= 300 && t <= 43200 && floor(t) == t]) && var.timeout.console >= 30 && var.timeout.console <= 900 && floor(var.timeout.console) == var.timeout.console
    error_message = "300 to 43200 seconds for backup and restore, 30 to 900 for the console."
  }
}

variable "max_instances" {
  description = "How many instances of a function may run at a time. The backup needs one for each workspace, and one more; requests beyond are discarded by the platform"
  type = object({
    backup  = optional(number, 20)
    restore = optional(number, 20)
    console = optional(number, 20)
  })
  default = {}
  validation {
    condition     = alltrue([for n in values(var.max_instances) : n >= 2 && n <= 1000 && floor(n) == n])
    error_message = "2 to 1000: an instance count of 0 would switch the function off."
  }
}

variable "log_level" {
  description = "How much the functions log"
  type        = string
  default     = "info"
  validation {
    condition     = contains(["trace", "debug", "info"], var.log_level)
    error_message = "trace, debug or info: the alarms read lines of the level info."
  }
}

# The gateway

variable "gateway" {
  description = "The dedicated APIG gateway in front of the Manage Backup page and the APIs; null: none, and the functions are invoked directly. auth is APP, for the apps of the gateway that are authorized for the routes, or IAM, for the accounts in accounts, by their ids: with IAM authentication alone, whoever has an account of this cloud may call. A route without authentication is never published. environment_id is the environment to publish to, RELEASE if nothing is said. domain is a domain of yours, which is bound to the group by hand; it is only told in the outputs"
  type = object({
    instance_id    = string
    auth           = optional(string, "APP")
    accounts       = optional(list(string), [])
    environment_id = optional(string, "DEFAULT_ENVIRONMENT_RELEASE_ID")
    domain         = optional(string, "")
  })
  default = null
  validation {
    condition     = var.gateway == null ? true : contains(["IAM", "APP"], var.gateway.auth)
    error_message = "The authentication is APP or IAM."
  }
  validation {
    condition     = var.gateway == null ? true : (var.gateway.auth == "IAM") == (length(var.gateway.accounts) > 0)
    error_message = "IAM authentication lets every account of this cloud in: name in accounts the ids of those that may call. With APP, the gateway's apps are authorized instead, and accounts stays empty."
  }
  validation {
    condition     = var.gateway == null ? true : alltrue([for id in var.gateway.accounts : can(regex("^[0-9a-f]{32}$", id))])
    error_message = "Each account is its id: 32 of 0-9 and a-f, as My Credentials in the console shows it (account ID, domain ID)."
  }
  validation {
    condition     = var.gateway == null ? true : length(var.gateway.instance_id) > 0 && length(var.gateway.environment_id) > 0
    error_message = "Name the gateway's instance, and the environment to publish to."
  }
  validation {
    condition     = var.gateway == null ? true : can(regex("^([a-z0-9-]+(\\.[a-z0-9-]+)+)?$", var.gateway.domain))
    error_message = "The domain is a name such as backups.example.com."
  }
}

# Logs, messages and alarms

variable "log_days" {
  description = "For how many days LTS keeps the functions' logs"
  type        = number
  default     = 30
  validation {
    condition     = var.log_days >= 7 && var.log_days <= 365 && floor(var.log_days) == var.log_days
    error_message = "7 to 365 days."
  }
}

variable "topic_urn" {
  description = "URN of an existing SMN topic for messages and alarms; empty: one is created"
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^(urn:smn:[a-z0-9-]+:[A-Za-z0-9]+:[A-Za-z0-9_-]+)?$", var.topic_urn))
    error_message = "The URN of a topic looks like urn:smn:<region>:<project id>:<name>."
  }
}

variable "emails" {
  description = "Addresses to which the topic that is created sends. Each gets a mail from SMN to confirm first"
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for e in var.emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", e))])
    error_message = "Each is an e-mail address."
  }
}

variable "alarms" {
  description = "Whether alarms are created: for a failed, a missing or a late backup, a failed drill, and for functions that fail"
  type        = bool
  default     = true
}

variable "alarm_user" {
  description = "Name of the IAM user in whose name LTS sends the alarms that it finds in the logs; needed with alarms"
  type        = string
  default     = ""
}

variable "late_after_hours" {
  description = "After how many hours without a complete backup of every workspace the alarm for a missing or late backup goes off: 24, and what a night may take longer than the one before"
  type        = number
  default     = 26
  validation {
    condition     = var.late_after_hours >= 25 && var.late_after_hours <= 33 && floor(var.late_after_hours) == var.late_after_hours
    error_message = "25 to 33 hours."
  }
}
