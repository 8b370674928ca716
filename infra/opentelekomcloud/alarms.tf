# Three things watch the backups, each where the others are blind. The functions tell the topic themselves of every backup, failure and digest. FunctionGraph
# tells it of invocations that failed for good (functions.tf). And these alarms look from outside: into the logs for what the functions say, or do not say,
# and at the platform's count of errors for those that could not say anything, because they were killed or never began.

resource "opentelekomcloud_smn_topic_v2" "messages" {
  count = var.topic_urn == "" ? 1 : 0

  name         = var.name
  display_name = "DataArts Backup"
  tags         = var.tags
}

resource "opentelekomcloud_smn_subscription_v2" "email" {
  for_each = var.topic_urn == "" ? toset(var.emails) : toset([])

  topic_urn = opentelekomcloud_smn_topic_v2.messages[0].topic_urn
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

resource "opentelekomcloud_lts_keywords_alarm_rule_v2" "log" {
  for_each = local.log_alarms

  name                   = "${var.name}-${each.key}"
  description            = each.value.description
  severity               = "CRITICAL"
  send_notifications     = true
  notification_frequency = each.key == "backup-late" ? 360 : 60 # minutes

  keywords_requests {
    keyword                = each.value.keywords
    condition              = each.value.condition
    number                 = each.value.number
    log_group_id           = opentelekomcloud_lts_group_v2.functions.id
    log_stream_id          = opentelekomcloud_lts_stream_v2.function[each.value.stream].id
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

  notification_rule {
    user_name = var.alarm_user
    language  = "en-us"
    timezone  = var.time_zone
    topics {
      name      = local.topic_name
      topic_urn = local.topic_urn
    }
  }

  lifecycle {
    precondition {
      condition     = var.alarm_user != ""
      error_message = "LTS sends alarms in the name of an IAM user: name one in alarm_user, or do without alarms (alarms = false)."
    }
  }
}

# An alarm has one metric here.
locals {
  error_alarms = !var.alarms ? {} : merge([for f, name in local.function_names : {
    "${f}-failed"   = { function = f, name = name, metric = "failcount" }   # what failed or was killed
    "${f}-rejected" = { function = f, name = name, metric = "rejectcount" } # what was not even begun
  }]...)
}

resource "opentelekomcloud_ces_alarmrule" "errors" {
  for_each = local.error_alarms

  alarm_name           = "${var.name}-${each.key}"
  alarm_description    = "Invocations of the ${each.value.function} function fail"
  alarm_level          = each.value.function == "console" ? 3 : 2
  alarm_enabled        = true
  alarm_action_enabled = true

  metric {
    namespace   = "SYS.FunctionGraph"
    metric_name = each.value.metric
    dimensions {
      name  = "package-functionname"
      value = "${local.app}-${each.value.name}"
    }
  }

  condition {
    period              = 300
    filter              = "sum"
    comparison_operator = ">="
    value               = 1
    unit                = "count"
    count               = 1
  }

  alarm_actions {
    type              = "notification"
    notification_list = [local.topic_urn]
  }
}
