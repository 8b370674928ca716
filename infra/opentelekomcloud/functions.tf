locals {
  app            = "default"
  function_names = { for f in ["backup", "restore", "console"] : f => "${var.name}-${f}" }

  topic_urn = var.topic_urn != "" ? var.topic_urn : one(opentelekomcloud_smn_topic_v2.messages[*].topic_urn)

  # The functions know no endpoints of DataArts here by themselves.
  dataarts_endpoint    = var.dataarts_endpoint != "" ? var.dataarts_endpoint : "https://dayu-dlf.${var.region}.otc.t-systems.com"
  dataarts_v2_endpoint = var.dataarts_v2_endpoint != "" ? var.dataarts_v2_endpoint : "https://dayu.${var.region}.otc.t-systems.com"

  # What every function reads.
  settings = {
    DATAARTS_REGION      = var.region
    DATAARTS_PROJECT_ID  = var.project_id
    DATAARTS_WORKSPACES  = join(",", var.workspaces)
    DATAARTS_ENDPOINT    = local.dataarts_endpoint
    DATAARTS_V2_ENDPOINT = local.dataarts_v2_endpoint
    DATAARTS_RATE_LIMIT  = var.rate_limit == null ? "" : tostring(var.rate_limit)
    OBS_ENDPOINT         = var.obs_endpoint
    BACKUP_LOCATION      = "obs://${var.bucket}${local.location == "" ? "" : "/${local.location}"}"
    LOG_LEVEL            = var.log_level
  }

  # What is known before anything is made. An empty variable counts as none, and takes room of the 2 KB all the same.
  known = {
    backup = { for name, value in merge(local.settings, {
      DATAARTS_INSTANCE_ID   = var.instance_id
      FUNCTIONGRAPH_ENDPOINT = var.functiongraph_endpoint
      BACKUP_TIME_ZONE       = var.time_zone
      BACKUP_KEEP            = var.keep
      BACKUP_RECIPIENTS      = join(",", var.recipients)
      SMN_ENDPOINT           = var.smn_endpoint
    }) : name => value if value != "" }

    restore = { for name, value in merge(local.settings, {
      BACKUP_RECIPIENTS = join(",", var.recipients)
      SMN_ENDPOINT      = var.smn_endpoint
    }) : name => value if value != "" }

    console = { for name, value in merge(local.settings, {
      FUNCTIONGRAPH_ENDPOINT = var.functiongraph_endpoint
      BACKUP_TIME_ZONE       = var.time_zone
    }) : name => value if value != "" }
  }

  environment = {
    backup  = merge(local.known.backup, { NOTIFY_TOPIC_URN = local.topic_urn })
    restore = merge(local.known.restore, { NOTIFY_TOPIC_URN = local.topic_urn })
  }

  # By itself, because it needs the backup function, which needs what is above.
  console_environment = merge(local.known.console, { BACKUP_FUNCTION = opentelekomcloud_fgs_function_v2.backup.urn })

  # What is counted before the topic and the backup function are there: URNs as they will be, in a project whose id is as long as ids are.
  an_id      = join("", [for i in range(32) : "0"])
  a_topic    = var.topic_urn != "" ? var.topic_urn : "urn:smn:${var.region}:${local.an_id}:${var.name}"
  a_function = "urn:fss:${var.region}:${local.an_id}:function:${local.app}:${local.function_names.backup}:latest"
  counted = {
    backup  = merge(local.known.backup, { NOTIFY_TOPIC_URN = local.a_topic })
    restore = merge(local.known.restore, { NOTIFY_TOPIC_URN = local.a_topic })
    console = merge(local.known.console, { BACKUP_FUNCTION = local.a_function })
  }

  # What the platform keeps encrypted. HUAWEICLOUD_SDK_* is not among it: on FunctionGraph the agency's keys come with every invocation, and those
  # would not be looked at.
  store_keys = try({
    OBS_ACCESS_KEY_ID     = var.store_keys.access_key
    OBS_SECRET_ACCESS_KEY = var.store_keys.secret_key
    OBS_SECURITY_TOKEN    = var.store_keys.security_token
  }, {})
  identity = { RESTORE_IDENTITY = var.restore_identity }

  secrets = {
    backup  = { for name, value in local.store_keys : name => value if value != "" }
    restore = { for name, value in merge(local.store_keys, local.identity) : name => value if value != "" }
    console = { for name, value in merge(local.store_keys, local.identity) : name => value if value != "" }
  }

  # "sensitive" first: older versions of Terraform refuse "nonsensitive" of what is not.
  secret_names = { for f, values in local.secrets : f => nonsensitive(sensitive(keys(values))) }

  secret_sizes = { for f, values in local.secrets : f => nonsensitive(sensitive(length(jsonencode(values)))) }

  # FunctionGraph takes 20 variables, 2 KB in all (error FSS.1018).
  most_variables = 20
  most_text      = 2048
}

resource "opentelekomcloud_fgs_function_v2" "backup" {
  name                  = local.function_names.backup
  description           = "Backs up DataArts Factory"
  app                   = local.app
  functiongraph_version = "v2"
  runtime               = "Custom"
  handler               = "bootstrap"
  code_type             = local.packages.backup.type
  func_code             = local.packages.backup.code
  code_filename         = local.packages.backup.filename
  code_url              = local.packages.backup.url
  memory_size           = var.memory.backup
  timeout               = var.timeout.backup
  max_instance_num      = tostring(var.max_instances.backup)
  agency                = opentelekomcloud_identity_agency_v3.function["backup"].name
  app_agency            = opentelekomcloud_identity_agency_v3.function["backup"].name
  user_data             = jsonencode(local.environment.backup)
  encrypted_user_data   = length(local.secret_names.backup) == 0 ? null : jsonencode(local.secrets.backup)
  log_group_id          = opentelekomcloud_lts_group_v2.functions.id
  log_group_name        = opentelekomcloud_lts_group_v2.functions.group_name
  log_topic_id          = opentelekomcloud_lts_stream_v2.function["backup"].id
  log_topic_name        = opentelekomcloud_lts_stream_v2.function["backup"].stream_name
  tags                  = var.tags

  lifecycle {
    precondition {
      condition     = length(local.counted.backup) + length(local.secret_names.backup) <= local.most_variables && length(jsonencode(local.counted.backup)) + local.secret_sizes.backup <= local.most_text
      error_message = "The settings of the backup function are more than 20 variables or 2 KB, which FunctionGraph takes in all: shorten them (workspaces, recipients, endpoints)."
    }
    precondition {
      condition     = !contains(var.workspaces, "*") || var.instance_id != ""
      error_message = "To back up every workspace (*), name the instance: instance_id."
    }
    precondition {
      condition     = !local.several || length(regexall("{workspace}", local.location)) > 0
      error_message = "Several workspaces are backed up, so the location needs {workspace} in it."
    }
    precondition {
      condition     = contains(var.workspaces, "*") || length(var.workspaces) < var.max_instances.backup
      error_message = "The backup needs an instance for each workspace, and one more: raise max_instances.backup, or the platform discards what is beyond."
    }
  }
}

resource "opentelekomcloud_fgs_function_v2" "restore" {
  name                  = local.function_names.restore
  description           = "Restores DataArts Factory from a backup, undoes restores, and holds drills"
  app                   = local.app
  functiongraph_version = "v2"
  runtime               = "Custom"
  handler               = "bootstrap"
  code_type             = local.packages.restore.type
  func_code             = local.packages.restore.code
  code_filename         = local.packages.restore.filename
  code_url              = local.packages.restore.url
  memory_size           = var.memory.restore
  timeout               = var.timeout.restore
  max_instance_num      = tostring(var.max_instances.restore)
  agency                = opentelekomcloud_identity_agency_v3.function["restore"].name
  app_agency            = opentelekomcloud_identity_agency_v3.function["restore"].name
  user_data             = jsonencode(local.environment.restore)
  encrypted_user_data   = length(local.secret_names.restore) == 0 ? null : jsonencode(local.secrets.restore)
  log_group_id          = opentelekomcloud_lts_group_v2.functions.id
  log_group_name        = opentelekomcloud_lts_group_v2.functions.group_name
  log_topic_id          = opentelekomcloud_lts_stream_v2.function["restore"].id
  log_topic_name        = opentelekomcloud_lts_stream_v2.function["restore"].stream_name
  tags                  = var.tags

  lifecycle {
    precondition {
      condition     = length(local.counted.restore) + length(local.secret_names.restore) <= local.most_variables && length(jsonencode(local.counted.restore)) + local.secret_sizes.restore <= local.most_text
      error_message = "The settings of the restore function are more than 20 variables or 2 KB, which FunctionGraph takes in all: shorten them (workspaces, recipients, endpoints)."
    }
    precondition {
      condition     = !contains(var.resource_buckets, var.bucket)
      error_message = "The bucket of the backups is none for files of resources: the restore function may overwrite and delete what is in those."
    }
  }
}

resource "opentelekomcloud_fgs_function_v2" "console" {
  name                  = local.function_names.console
  description           = "The Manage Backup page and its API"
  app                   = local.app
  functiongraph_version = "v2"
  runtime               = "Custom"
  handler               = "bootstrap"
  code_type             = local.packages.console.type
  func_code             = local.packages.console.code
  code_filename         = local.packages.console.filename
  code_url              = local.packages.console.url
  memory_size           = var.memory.console
  timeout               = var.timeout.console
  max_instance_num      = tostring(var.max_instances.console)
  agency                = opentelekomcloud_identity_agency_v3.function["console"].name
  app_agency            = opentelekomcloud_identity_agency_v3.function["console"].name
  user_data             = jsonencode(local.console_environment)
  encrypted_user_data   = length(local.secret_names.console) == 0 ? null : jsonencode(local.secrets.console)
  log_group_id          = opentelekomcloud_lts_group_v2.functions.id
  log_group_name        = opentelekomcloud_lts_group_v2.functions.group_name
  log_topic_id          = opentelekomcloud_lts_stream_v2.function["console"].id
  log_topic_name        = opentelekomcloud_lts_stream_v2.function["console"].stream_name
  tags                  = var.tags

  lifecycle {
    precondition {
      condition     = length(local.counted.console) + length(local.secret_names.console) <= local.most_variables && length(jsonencode(local.counted.console)) + local.secret_sizes.console <= local.most_text
      error_message = "The settings of the console function are more than 20 variables or 2 KB, which FunctionGraph takes in all: shorten them (workspaces, endpoints)."
    }
  }
}

# What happens to an asynchronous invocation that fails: it is tried again, for a day at most, and what fails for good is told. Every attempt goes on where
# the one before was cut off.
resource "opentelekomcloud_fgs_async_invoke_config_v2" "function" {
  for_each = {
    backup  = opentelekomcloud_fgs_function_v2.backup.urn
    restore = opentelekomcloud_fgs_function_v2.restore.urn
  }

  function_urn                   = each.value
  max_async_event_age_in_seconds = 86400
  max_async_retry_attempts       = 3
  on_failure {
    destination = "SMN"
    param       = jsonencode({ topic_urn = local.topic_urn })
  }
}
