# What deployments come to. What the provider does not look into is checked here: runtimes, what triggers send, retries, permissions, routes.

mock_provider "opentelekomcloud" {
  mock_resource "opentelekomcloud_fgs_function_v2" {
    defaults = { urn = "urn:fss:eu-de:0123456789abcdef:function:default:mock:latest" }
  }
  mock_resource "opentelekomcloud_smn_topic_v2" {
    defaults = { topic_urn = "urn:smn:eu-de:0123456789abcdef:dataarts-backup" }
  }
  mock_resource "opentelekomcloud_apigw_api_publishment_v2" {
    defaults = { publish_id = "aa0a0e6b0c64a0e8d0fbb5f4a7d9c11a" }
  }
}

mock_provider "opentelekomcloud" {
  alias = "account"
}

variables {
  workspaces = ["0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11"]
  bucket     = "dataarts-backup-test"
  kms_key_id = "0d0466b0-e727-4d9c-b35d-f84bb474a37f"
  time_zone  = "Europe/Berlin"
  emails     = ["operator@example.com"]
  alarm_user = "operator"
  package_urls = {
    backup  = "https://packages.obs.eu-de.otc.t-systems.com/1/backup.zip"
    restore = "https://packages.obs.eu-de.otc.t-systems.com/1/restore.zip"
    console = "https://packages.obs.eu-de.otc.t-systems.com/1/console.zip"
  }
}

run "one_workspace" {
  command = apply

  assert {
    condition = alltrue([for name, f in { backup = opentelekomcloud_fgs_function_v2.backup, restore = opentelekomcloud_fgs_function_v2.restore, console = opentelekomcloud_fgs_function_v2.console } :
      f.runtime == "Custom" && f.handler == "bootstrap" && f.code_type == "obs" && f.code_url == var.package_urls[name] && f.functiongraph_version == "v2" &&
    f.agency == "dataarts-backup-${name}" && f.app_agency == f.agency && f.encrypted_user_data == null && f.timeout <= 900])
    error_message = "A function is not as it should be."
  }
  assert {
    condition = jsondecode(opentelekomcloud_fgs_function_v2.console.user_data) == {
      DATAARTS_REGION      = "eu-de"
      DATAARTS_WORKSPACES  = "0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11"
      DATAARTS_ENDPOINT    = "https://dayu-dlf.eu-de.otc.t-systems.com"
      DATAARTS_V2_ENDPOINT = "https://dayu.eu-de.otc.t-systems.com"
      BACKUP_LOCATION      = "obs://dataarts-backup-test"
      BACKUP_FUNCTION      = "urn:fss:eu-de:0123456789abcdef:function:default:mock:latest"
      BACKUP_TIME_ZONE     = "Europe/Berlin"
      LOG_LEVEL            = "info"
    }
    error_message = "The settings of the console are ${opentelekomcloud_fgs_function_v2.console.user_data}"
  }
  assert {
    condition = jsondecode(opentelekomcloud_fgs_trigger_v2.nightly.event_data) == {
      name          = "nightly"
      schedule_type = "Cron"
      schedule      = "CRON_TZ=Europe/Berlin 0 0 0 * * *"
      user_event    = "{}"
    }
    error_message = "The nightly timer is ${opentelekomcloud_fgs_trigger_v2.nightly.event_data}"
  }
  assert {
    condition     = jsondecode(jsondecode(opentelekomcloud_fgs_trigger_v2.verify[0].event_data).user_event) == { verify = "latest" } && length(opentelekomcloud_fgs_trigger_v2.drill) == 0
    error_message = "The timer for verification sends ${opentelekomcloud_fgs_trigger_v2.verify[0].event_data}, or there is a drill that nobody asked for."
  }
  assert {
    condition = jsondecode(opentelekomcloud_fgs_trigger_v2.restore_requests.event_data) == {
      name   = "restore-requests"
      bucket = "dataarts-backup-test"
      events = ["s3:ObjectCreated:*"]
      prefix = "restore-requests/"
      suffix = ".json"
    }
    error_message = "The trigger on restore requests is ${opentelekomcloud_fgs_trigger_v2.restore_requests.event_data}"
  }
  assert {
    condition = alltrue([for c in values(opentelekomcloud_fgs_async_invoke_config_v2.function) :
      c.max_async_retry_attempts >= 1 && c.max_async_retry_attempts <= 3 && c.max_async_event_age_in_seconds <= 86400 && c.on_failure[0].destination == "SMN" &&
    jsondecode(c.on_failure[0].param) == { topic_urn = "urn:smn:eu-de:0123456789abcdef:dataarts-backup" }])
    error_message = "Nobody is told of an invocation that failed for good, or it is tried more often than FunctionGraph can."
  }
  assert {
    condition = (
      opentelekomcloud_obs_bucket.backups[0].acl == "private" && opentelekomcloud_obs_bucket.backups[0].versioning && opentelekomcloud_obs_bucket.backups[0].force_destroy != true &&
      opentelekomcloud_obs_bucket.backups[0].server_side_encryption[0].kms_key_id == var.kms_key_id && length(opentelekomcloud_obs_bucket.backups[0].worm_policy) == 0 &&
      one(opentelekomcloud_obs_bucket.backups[0].logging).target_bucket == "dataarts-backup-test-logs" && opentelekomcloud_obs_bucket.access_logs[0].acl == "log-delivery-write"
    )
    error_message = "The bucket is not private, versioned, encrypted and watched."
  }
  assert {
    condition     = alltrue([for rule in opentelekomcloud_obs_bucket.backups[0].lifecycle_rule : length(rule.expiration) == 0])
    error_message = "A rule of the bucket expires backups."
  }
  assert {
    condition = alltrue(flatten([for role in concat(values(opentelekomcloud_identity_role_v3.vault), values(opentelekomcloud_identity_role_v3.project)) :
    [length(role.statement) <= 8, [for s in role.statement : [for a in s.action : !strcontains(a, "*")]]]]))
    error_message = "A permission names no single action."
  }
  assert {
    condition     = toset(keys(opentelekomcloud_lts_keywords_alarm_rule_v2.log)) == toset(["backup-failed", "backup-late", "mass-deletion", "backup-untold", "restore-failed", "restore-untold", "drill-failed"]) && length(opentelekomcloud_ces_alarmrule.errors) == 6
    error_message = "An alarm is missing."
  }
  assert {
    condition = alltrue([for a in values(opentelekomcloud_ces_alarmrule.errors) :
    startswith(a.metric[0].dimensions[0].value, "default-dataarts-backup-") && a.alarm_actions[0].notification_list == tolist(["urn:smn:eu-de:0123456789abcdef:dataarts-backup"])])
    error_message = "An alarm of the platform's count of errors watches something else, or tells nobody."
  }
  assert {
    condition     = length(opentelekomcloud_apigw_api_v2.route) == 0
    error_message = "Something is published without a gateway."
  }
  assert {
    condition     = strcontains(output.first_backup, "https://functiongraph.eu-de.otc.t-systems.com/v2/0123456789abcdef/fgs/functions/urn:fss:eu-de:0123456789abcdef:function:default:mock:latest/invocations-async")
    error_message = "The command for the first backup is ${output.first_backup}"
  }
}

run "everything" {
  command = apply
  variables {
    name              = "nights"
    project_id        = "b384b9e9ab9b4ee8994c8633aabc9505"
    workspaces        = ["0dd3000000000000000000000000aaaa", "0dd3000000000000000000000000bbbb"]
    instance_id       = "6b88ad0541514d45a1d9ff0cd6e2bf4e"
    location          = "factory/{workspace}"
    nightly_folder    = "nightly"
    keep              = "daily=14,weekly=8"
    recipients        = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
    restore_identity  = "AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0SQQQQQQ"
    store_keys        = { access_key = "AK", secret_key = "SK" }
    resource_buckets  = ["nights-jars"]
    worm_days         = 30
    topic_urn         = "urn:smn:eu-de:b384b9e9ab9b4ee8994c8633aabc9505:operators"
    access_log_bucket = "all-logs"
    drill             = { workspace = "0dd3000000000000000000000000dddd", source = "0dd3000000000000000000000000aaaa" }
    gateway           = { instance_id = "9a1c" } # auth is APP if nothing is said

    dataarts_project_name = "eu-de_data"
    resource_kms_key_ids  = ["1d0466b0-e727-4d9c-b35d-f84bb474a37f"]
  }

  assert {
    condition     = jsondecode(nonsensitive(opentelekomcloud_fgs_function_v2.restore.encrypted_user_data)) == { OBS_ACCESS_KEY_ID = "AK", OBS_SECRET_ACCESS_KEY = "SK", RESTORE_IDENTITY = nonsensitive(var.restore_identity) }
    error_message = "The restore lacks a secret."
  }
  assert {
    condition = alltrue([for f in [opentelekomcloud_fgs_function_v2.backup, opentelekomcloud_fgs_function_v2.restore, opentelekomcloud_fgs_function_v2.console] :
    !strcontains(f.user_data, "AGE-SECRET-KEY") && !strcontains(f.user_data, "OBS_SECRET")]) && !strcontains(nonsensitive(opentelekomcloud_fgs_function_v2.backup.encrypted_user_data), "AGE-SECRET-KEY")
    error_message = "A secret is in plain sight, or the backup has one that is none of its business."
  }
  assert {
    condition     = jsondecode(opentelekomcloud_fgs_trigger_v2.restore_requests.event_data).prefix == "factory/restore-requests/" && jsondecode(jsondecode(opentelekomcloud_fgs_trigger_v2.nightly.event_data).user_event) == { folder = "nightly" }
    error_message = "Restore requests or the nightly backup lie elsewhere."
  }
  assert {
    condition = (
      jsondecode(jsondecode(opentelekomcloud_fgs_trigger_v2.drill[0].event_data).user_event) == { drill = { workspace = "0dd3000000000000000000000000dddd", source = "0dd3000000000000000000000000aaaa" } } &&
      opentelekomcloud_fgs_trigger_v2.drill[0].type == "TIMER"
    )
    error_message = "The drill is ${opentelekomcloud_fgs_trigger_v2.drill[0].event_data}"
  }
  assert {
    condition = length(opentelekomcloud_apigw_api_v2.route) == 21 && length(opentelekomcloud_apigw_acl_policy_v2.accounts) == 0 && alltrue([for key, r in opentelekomcloud_apigw_api_v2.route :
    r.security_authentication_type == "APP" && r.request_protocol == "HTTPS" && r.match_mode == "EXACT" && "${r.request_method} ${r.request_uri}" == key && can(opentelekomcloud_apigw_api_publishment_v2.route[key])])
    error_message = "A route is not published, or not as it should be."
  }
  assert {
    condition     = opentelekomcloud_obs_bucket.backups[0].worm_policy[0].days == 30 && one(opentelekomcloud_obs_bucket.backups[0].logging).target_bucket == "all-logs"
    error_message = "The bucket does not protect its versions, or is logged elsewhere."
  }
  assert {
    condition     = length(opentelekomcloud_smn_topic_v2.messages) + length(opentelekomcloud_smn_subscription_v2.email) + length(opentelekomcloud_obs_bucket.access_logs) == 0
    error_message = "Something is created that is there already."
  }
  assert {
    condition     = contains(flatten([for s in opentelekomcloud_identity_role_v3.vault["backup"].statement : s.resource]), "OBS:*:*:object:dataarts-backup-test/factory/*") && !anytrue([for s in opentelekomcloud_identity_role_v3.vault["console"].statement : contains(s.action, "obs:object:DeleteObject") && anytrue([for r in s.resource : !endswith(r, "leases/*.json")])])
    error_message = "A function reads less than the root, or the console deletes more than its leases."
  }
}

run "dataarts_in_another_project" {
  command = apply
  variables {
    project_id            = "b384b9e9ab9b4ee8994c8633aabc9505"
    dataarts_project_name = "eu-de_data"
  }

  assert {
    condition = alltrue([for f, a in opentelekomcloud_identity_agency_v3.function :
    toset([for r in a.project_role : "${r.project}: ${join(", ", sort(tolist(r.roles)))}"]) == toset(["eu-de: dataarts-backup-${f}-project", "eu-de_data: DAYU User"])])
    error_message = "An agency may use DataArts elsewhere than in its project."
  }
}

run "routes_for_some_accounts" {
  command = apply
  variables {
    gateway = { instance_id = "9a1c", auth = "IAM", accounts = ["2f1b9a7c5d3e4f60a1b2c3d4e5f60718"] }
  }

  assert {
    condition = (
      opentelekomcloud_apigw_acl_policy_v2.accounts[0].type == "PERMIT" && opentelekomcloud_apigw_acl_policy_v2.accounts[0].entity_type == "DOMAIN_ID" &&
      opentelekomcloud_apigw_acl_policy_v2.accounts[0].value == "2f1b9a7c5d3e4f60a1b2c3d4e5f60718" &&
      opentelekomcloud_apigw_acl_policy_associate_v2.accounts[0].publish_ids == toset(["aa0a0e6b0c64a0e8d0fbb5f4a7d9c11a"])
    )
    error_message = "Every account of the cloud may call the routes."
  }
}

run "a_bucket_that_is_there_already" {
  command = apply
  variables {
    create_bucket = false
    kms_key_id    = ""
  }
  assert {
    condition     = length(opentelekomcloud_obs_bucket.backups) + length(opentelekomcloud_obs_bucket.access_logs) + length(opentelekomcloud_obs_bucket_policy.backups) == 0 && output.bucket == "dataarts-backup-test"
    error_message = "The bucket is created once more."
  }
}
