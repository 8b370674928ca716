# What a deployment for one workspace comes to. The provider checks the arguments' names and types; what it does not look into is checked here.

mock_provider "huaweicloud" {
  mock_resource "huaweicloud_fgs_function" {
    defaults = { urn = "urn:fss:eu-west-101:0123456789abcdef:function:default:mock:latest" }
  }
  mock_resource "huaweicloud_smn_topic" {
    defaults = { topic_urn = "urn:smn:eu-west-101:0123456789abcdef:dataarts-backup" }
  }
}

variables {
  region            = "eu-west-101"
  workspaces        = ["0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11"]
  bucket            = "dataarts-backup-test"
  time_zone         = "Europe/Berlin"
  emails            = ["operator@example.com"]
  alarm_user        = "operator"
  package_directory = "tests/packages"
}

run "functions" {
  command = apply

  assert {
    condition = alltrue([for f in [huaweicloud_fgs_function.backup, huaweicloud_fgs_function.restore, huaweicloud_fgs_function.console] :
    f.runtime == "Custom" && f.handler == "bootstrap" && f.code_type == "zip" && f.functiongraph_version == "v2" && f.app == "default"])
    error_message = "A function does not run bootstrap from its zip on the runtime Custom."
  }
  assert {
    condition = alltrue([for name, f in { backup = huaweicloud_fgs_function.backup, restore = huaweicloud_fgs_function.restore, console = huaweicloud_fgs_function.console } :
    f.func_code == filebase64("tests/packages/${name}.zip") && f.code_filename == "${name}.zip" && f.agency == "dataarts-backup-${name}" && f.app_agency == f.agency])
    error_message = "A function has another one's package or agency."
  }
  assert {
    condition = alltrue([for f in [huaweicloud_fgs_function.backup, huaweicloud_fgs_function.restore, huaweicloud_fgs_function.console] :
      contains([128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 8192, 10240], f.memory_size) && f.timeout >= 3 && f.timeout <= 259200 &&
    tonumber(f.max_instance_num) >= 1 && tonumber(f.max_instance_num) <= 1000])
    error_message = "A size is none of FunctionGraph's."
  }
  assert {
    condition     = huaweicloud_fgs_function.backup.timeout < huaweicloud_fgs_async_invoke_configuration.function["backup"].max_async_event_age_in_seconds
    error_message = "An event is too old for a second attempt once the first has used up its time."
  }
  assert {
    condition     = alltrue([for f in [huaweicloud_fgs_function.backup, huaweicloud_fgs_function.restore, huaweicloud_fgs_function.console] : f.encrypted_user_data == null])
    error_message = "There are secrets where none were given."
  }
  assert {
    condition = jsondecode(huaweicloud_fgs_function.console.user_data) == {
      DATAARTS_REGION     = "eu-west-101"
      DATAARTS_WORKSPACES = "0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11"
      BACKUP_LOCATION     = "obs://dataarts-backup-test"
      BACKUP_FUNCTION     = "urn:fss:eu-west-101:0123456789abcdef:function:default:mock:latest"
      BACKUP_TIME_ZONE    = "Europe/Berlin"
      LOG_LEVEL           = "info"
    }
    error_message = "The settings of the console are ${huaweicloud_fgs_function.console.user_data}"
  }
  assert {
    condition     = jsondecode(huaweicloud_fgs_function.backup.user_data).NOTIFY_TOPIC_URN == "urn:smn:eu-west-101:0123456789abcdef:dataarts-backup"
    error_message = "The backup tells nobody."
  }
}

run "triggers" {
  command = apply

  assert {
    condition = jsondecode(huaweicloud_fgs_function_trigger.nightly.event_data) == {
      name           = "nightly"
      schedule_type  = "Cron"
      schedule       = "CRON_TZ=Europe/Berlin 0 0 0 * * *"
      sync_execution = false
      user_event     = "{}"
    }
    error_message = "The nightly timer is ${huaweicloud_fgs_function_trigger.nightly.event_data}"
  }
  assert {
    condition     = huaweicloud_fgs_function_trigger.nightly.type == "TIMER" && huaweicloud_fgs_function_trigger.nightly.function_urn == huaweicloud_fgs_function.backup.urn
    error_message = "The nightly timer starts something else."
  }
  assert {
    condition     = jsondecode(jsondecode(huaweicloud_fgs_function_trigger.verify[0].event_data).user_event) == { verify = "latest" }
    error_message = "The timer for verification sends ${huaweicloud_fgs_function_trigger.verify[0].event_data}"
  }
  assert {
    condition = jsondecode(huaweicloud_fgs_function_trigger.restore_requests.event_data) == {
      name   = "restore-requests"
      bucket = "dataarts-backup-test"
      events = ["s3:ObjectCreated:*"]
      prefix = "restore-requests/"
      suffix = ".json"
    }
    error_message = "The trigger on restore requests is ${huaweicloud_fgs_function_trigger.restore_requests.event_data}"
  }
  assert {
    condition     = length(huaweicloud_fgs_function_trigger.drill) == 0
    error_message = "There is a drill that nobody asked for."
  }
}

run "failures" {
  command = apply

  assert {
    condition = alltrue([for f in ["backup", "restore"] :
      huaweicloud_fgs_async_invoke_configuration.function[f].max_async_retry_attempts >= 1 && huaweicloud_fgs_async_invoke_configuration.function[f].max_async_retry_attempts <= 3 &&
      huaweicloud_fgs_async_invoke_configuration.function[f].max_async_event_age_in_seconds <= 86400 &&
      huaweicloud_fgs_async_invoke_configuration.function[f].on_failure[0].destination == "SMN" &&
    jsondecode(huaweicloud_fgs_async_invoke_configuration.function[f].on_failure[0].param) == { topic_urn = "urn:smn:eu-west-101:0123456789abcdef:dataarts-backup" }])
    error_message = "Nobody is told of an invocation that failed for good, or it is tried more often than FunctionGraph can."
  }
  assert {
    condition     = toset(keys(huaweicloud_lts_keywords_alarm_rule.log)) == toset(["backup-failed", "backup-late", "mass-deletion", "backup-untold", "restore-failed", "restore-untold", "drill-failed"])
    error_message = "An alarm is missing."
  }
  assert {
    condition = alltrue([for a in values(huaweicloud_lts_keywords_alarm_rule.log) :
    a.send_notifications && one(a.notification_save_rule).topics[0].topic_urn == "urn:smn:eu-west-101:0123456789abcdef:dataarts-backup" && length(a.description) <= 64 && length(a.name) <= 64])
    error_message = "An alarm tells nobody, or has texts that are longer than the 64 characters that LTS takes."
  }
  assert {
    condition = (
      one(huaweicloud_lts_keywords_alarm_rule.log["backup-late"].keywords_requests).condition == "<" && one(huaweicloud_lts_keywords_alarm_rule.log["backup-late"].keywords_requests).number == 1 &&
      one(huaweicloud_lts_keywords_alarm_rule.log["backup-late"].keywords_requests).search_time_range == 24 && huaweicloud_lts_keywords_alarm_rule.log["backup-late"].trigger_condition_count == 3
    )
    error_message = "A missing backup is not noticed after 26 hours."
  }
  assert {
    condition     = alltrue([for name, a in huaweicloud_ces_alarmrule.errors : one(one(a.resources).dimensions).value == "default-dataarts-backup-${name}" && a.alarm_actions[0].notification_list == tolist(["urn:smn:eu-west-101:0123456789abcdef:dataarts-backup"])])
    error_message = "An alarm of the platform's count of errors watches another function, or tells nobody."
  }
}

run "bucket" {
  command = apply

  assert {
    condition = (
      huaweicloud_obs_bucket.backups[0].acl == "private" && huaweicloud_obs_bucket.backups[0].versioning && huaweicloud_obs_bucket.backups[0].encryption &&
      huaweicloud_obs_bucket.backups[0].sse_algorithm == "AES256" && huaweicloud_obs_bucket.backups[0].force_destroy != true && huaweicloud_obs_bucket.access_logs[0].force_destroy != true
    )
    error_message = "The bucket is not private, versioned and encrypted."
  }
  assert {
    condition     = alltrue([for rule in huaweicloud_obs_bucket.backups[0].lifecycle_rule : length(rule.expiration) == 0 && length(rule.transition) == 0])
    error_message = "A rule of the bucket takes backups away."
  }
  assert {
    condition     = one(huaweicloud_obs_bucket.backups[0].logging).target_bucket == "dataarts-backup-test-logs" && one(huaweicloud_obs_bucket.backups[0].logging).agency == "dataarts-backup-access-logs"
    error_message = "Access to the bucket is not logged."
  }
}

run "permissions" {
  command = apply

  assert {
    condition = alltrue(flatten([for r in concat(values(huaweicloud_identity_role.vault), values(huaweicloud_identity_role.project), huaweicloud_identity_role.access_logs) :
    [for s in jsondecode(r.policy).Statement : [for a in s.Action : !strcontains(a, "*")]]]))
    error_message = "An action is not named."
  }
  assert {
    condition = alltrue([for r in concat(values(huaweicloud_identity_role.vault), values(huaweicloud_identity_role.project)) :
    jsondecode(r.policy).Version == "1.1" && length(r.policy) < 6144 && length(jsondecode(r.policy).Statement) <= 8])
    error_message = "IAM does not take such a policy."
  }
  assert {
    condition     = alltrue([for a in values(huaweicloud_identity_agency.function) : a.delegated_domain_name == "op_svc_cff" && length(a.domain_roles) == 1 && one(a.project_role).project == "eu-west-101"])
    error_message = "An agency is for another service, or may do more than its own role says."
  }
}

run "logs_are_enabled" {
  command = apply

  assert {
    condition     = huaweicloud_fgs_lts_log_enable.project.region == "eu-west-101"
    error_message = "Logging to LTS is left to somebody."
  }
}

run "triggers_change_with_their_settings" {
  command = apply

  assert {
    condition = (
      terraform_data.trigger["nightly"].input == huaweicloud_fgs_function_trigger.nightly.event_data && terraform_data.trigger["verify"].input == huaweicloud_fgs_function_trigger.verify[0].event_data &&
      terraform_data.trigger["restore_requests"].input == huaweicloud_fgs_function_trigger.restore_requests.event_data
    )
    error_message = "A trigger is not made anew when its settings change."
  }
}

run "another_hour_for_the_verification" {
  command = apply
  variables {
    verify_schedule = "0 30 5 * * 1"
  }

  assert {
    condition     = jsondecode(huaweicloud_fgs_function_trigger.verify[0].event_data).schedule == "CRON_TZ=Europe/Berlin 0 30 5 * * 1"
    error_message = "The timer keeps its old schedule: ${huaweicloud_fgs_function_trigger.verify[0].event_data}"
  }
}

run "no_gateway_no_route" {
  command = apply

  assert {
    condition     = length(huaweicloud_apig_group.functions) + length(huaweicloud_apig_api.route) + length(huaweicloud_apig_api_publishment.route) == 0
    error_message = "Something is published that nobody asked for."
  }
}
