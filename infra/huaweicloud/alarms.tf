# Three things watch the backups, each where the others are blind. The functions tell the topic themselves of every backup, failure and digest. FunctionGraph
# tells it of invocations that failed for good (functions.tf). And these alarms look from outside: into the logs for what the functions say, or do not say,
# and at the platform's count of errors for those that could not say anything, because they were killed or never began.

resource "huaweicloud_smn_topic" "messages" {
  count = var.topic_urn == "" ? 1 : 0

  region                   = var.region
  name                     = var.name
  display_name             = "DataArts Backup"
  services_publish_allowed = "apm" # in whose name LTS and AOM send alarms
  tags                     = var.tags
}

resource "huaweicloud_smn_subscription" "email" {
  for_each = var.topic_urn == "" ? toset(var.emails) : toset([])

  region    = var.region
  topic_urn = huaweicloud_smn_topic.messages[0].topic_urn
  protocol  = "email"
  endpoint  = each.value
}

locals {
  topic_name = var.topic_urn == "" ? var.name : reverse(split(":", var.topic_urn))[0]

  # Whatever ends in the functions logs a line {"level":…,"requestId":…,"outcome":"BackupComplete","message":"outcome"}, which holds no name, path or error: these
  # may hold any word. Each invocation that fails logs a line with its errorType. LTS takes a line apart at its punctuation, and its keyword alarms heed the case
  # of letters. A name in another line that is such a word raises an alarm at worst; a complete backup is looked for with the name of the field besides.
  log_alarms = !var.alarms ? {} : {
    backup-failed = {
      stream      = "backup"
      description = "A backup or a verification failed"
      keywords    = "BackupFailed or BackupPartial or VerificationFailed or ConfigurationError or BadRequest or panicked"
      condition   = ">="
      number      = 1
      range       = { unit = "minute", length = 5 }
      every       = { unit = "minute", length = 5 }
      checks      = 1
    }
    backup-late = {
      stream      = "backup"
      description = "A workspace has no complete backup of the last day"
      keywords    = "outcome and BackupComplete"
      condition   = "<"
      number      = contains(var.workspaces, "*") ? 1 : length(var.workspaces)
      range       = { unit = "hour", length = 24 }
      every       = { unit = "hour", length = 1 }
      checks      = var.late_after_hours - 23 # a check each hour: the first finds a day of 24 hours without one
    }
    mass-deletion = {
      stream      = "backup"
      description = "More than a fifth of a workspace is gone; retention waits"
      keywords    = "MassDeletionHold"
      condition   = ">="
      number      = 1
      range       = { unit = "minute", length = 5 }
      every       = { unit = "minute", length = 5 }
      checks      = 1
    }
    backup-untold = {
      stream      = "backup"
      description = "A message about a backup could not be sent"
      keywords    = "NotificationFailed"
      condition   = ">="
      number      = 1
      range       = { unit = "minute", length = 5 }
      every       = { unit = "minute", length = 5 }
      checks      = 1
    }
    restore-failed = {
      stream      = "restore"
      description = "A restore failed, is not complete, or was interrupted"
      keywords    = "RestoreFailed or RestorePartial or RestoreInterrupted or ConfigurationError or BadRequest or panicked"
      condition   = ">="
      number      = 1
      range       = { unit = "minute", length = 5 }
      every       = { unit = "minute", length = 5 }
      checks      = 1
    }
    restore-untold = {
      stream      = "restore"
      description = "A message about a restore or drill could not be sent"
      keywords    = "NotificationFailed"
      condition   = ">="
      number      = 1
      range       = { unit = "minute", length = 5 }
      every       = { unit = "minute", length = 5 }
      checks      = 1
    }
    drill-failed = {
      stream      = "restore"
      description = "A drill failed: a backup may not be restorable"
      keywords    = "DrillFailed or DrillInterrupted"
      condition   = ">="
      number      = 1
      range       = { unit = "minute", length = 5 }
      every       = { unit = "minute", length = 5 }
      checks      = 1
    }
  }
}

resource "huaweicloud_lts_keywords_alarm_rule" "log" {
  for_each = local.log_alarms

  region             = var.region
  name               = "${var.name}-${each.key}"
  description        = each.value.description
  alarm_level        = "CRITICAL"
  send_notifications = true

  notification_frequency = each.key == "backup-late" ? 360 : 0 # minutes: it lasts, the others do not

  keywords_requests {
    keywords               = each.value.keywords
    condition              = each.value.condition
    number                 = each.value.number
    log_group_id           = huaweicloud_lts_group.functions.id
    log_stream_id          = huaweicloud_lts_stream.function[each.value.stream].id
    search_time_range_unit = each.value.range.unit
    search_time_range      = each.value.range.length
  }

  frequency {
    type            = "FIXED_RATE"
    fixed_rate_unit = each.value.every.unit
    fixed_rate      = each.value.every.length
  }

  trigger_condition_count     = each.value.checks
  trigger_condition_frequency = each.value.checks

  notification_save_rule {
    template_name = "keywords_template"
    user_name     = var.alarm_user
    language      = "en-us"
    timezone      = var.time_zone
    topics {
      name      = local.topic_name
      topic_urn = local.topic_urn
    }
  }

  lifecycle {
    ignore_changes = [notification_save_rule[0].user_name, notification_save_rule[0].timezone] # the service does not give them back
    precondition {
      condition     = var.alarm_user != ""
      error_message = "LTS sends alarms in the name of an IAM user: name one in alarm_user, or do without alarms (alarms = false)."
    }
  }
}

resource "huaweicloud_ces_alarmrule" "errors" {
  for_each = var.alarms ? local.function_names : {}

  region               = var.region
  alarm_name           = "${each.value}-errors"
  alarm_description    = "Invocations of the ${each.key} function fail"
  alarm_enabled        = true
  alarm_action_enabled = true
  alarm_type           = "MULTI_INSTANCE"

  metric {
    namespace = "SYS.FunctionGraph"
  }

  resources {
    dimensions {
      name  = "package-functionname"
      value = "${local.app}-${each.value}"
    }
  }

  dynamic "condition" {
    for_each = ["failcount", "rejectcount"] # what failed or was killed; what was not even begun
    content {
      metric_name         = condition.value
      period              = 300
      filter              = "sum"
      comparison_operator = ">="
      value               = 1
      count               = 1
      unit                = "count"
      suppress_duration   = 3600
      alarm_level         = each.key == "console" ? 3 : 2
    }
  }

  alarm_actions {
    type              = "notification"
    notification_list = [local.topic_urn]
  }
}
