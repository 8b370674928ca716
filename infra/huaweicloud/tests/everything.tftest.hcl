# Several workspaces of an instance, with everything that can be set.

mock_provider "huaweicloud" {
  mock_resource "huaweicloud_fgs_function" {
    defaults = { urn = "urn:fss:ap-southeast-3:0123456789abcdef:function:default:mock:latest" }
  }
  mock_resource "huaweicloud_apig_api_publishment" {
    defaults = { publish_id = "aa0a0e6b0c64a0e8d0fbb5f4a7d9c11a" }
  }
}

variables {
  name              = "nights"
  region            = "ap-southeast-3"
  project_name      = "ap-southeast-3_functions"
  project_id        = "b384b9e9ab9b4ee8994c8633aabc9505"
  workspaces        = ["0dd3000000000000000000000000aaaa", "0dd3000000000000000000000000bbbb"]
  instance_id       = "6b88ad0541514d45a1d9ff0cd6e2bf4e"
  bucket            = "nights-test"
  location          = "factory/{workspace}"
  nightly_folder    = "nightly"
  time_zone         = "Asia/Singapore"
  keep              = "daily=14,weekly=8"
  recipients        = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
  restore_identity  = "AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0SQQQQQQ"
  store_keys        = { access_key = "AK", secret_key = "SK" }
  resource_buckets  = ["nights-jars"]
  kms_key_id        = "0d0466b0-e727-4d9c-b35d-f84bb474a37f"
  topic_urn         = "urn:smn:ap-southeast-3:b384b9e9ab9b4ee8994c8633aabc9505:operators"
  access_log_bucket = "all-logs"
  alarm_user        = "operator"
  package_urls = {
    backup  = "https://packages.obs.ap-southeast-3.myhuaweicloud.com/1/backup.zip"
    restore = "https://packages.obs.ap-southeast-3.myhuaweicloud.com/1/restore.zip"
    console = "https://packages.obs.ap-southeast-3.myhuaweicloud.com/1/console.zip"
  }
  dataarts_project_name = "ap-southeast-3_data"
  resource_kms_key_ids  = ["1d0466b0-e727-4d9c-b35d-f84bb474a37f"]

  drill   = { workspace = "0dd3000000000000000000000000dddd", source = "0dd3000000000000000000000000aaaa" }
  gateway = { instance_id = "9a1c", domain = "backups.example.com" } # auth is APP if nothing is said
}

run "everything" {
  command = apply

  assert {
    condition     = huaweicloud_fgs_function.restore.code_type == "obs" && huaweicloud_fgs_function.restore.code_url == var.package_urls.restore && huaweicloud_fgs_function.restore.func_code == null
    error_message = "The package does not come from OBS."
  }
  assert {
    condition     = jsondecode(nonsensitive(huaweicloud_fgs_function.restore.encrypted_user_data)) == { OBS_ACCESS_KEY_ID = "AK", OBS_SECRET_ACCESS_KEY = "SK", RESTORE_IDENTITY = nonsensitive(var.restore_identity) }
    error_message = "The restore lacks a secret."
  }
  assert {
    condition     = jsondecode(nonsensitive(huaweicloud_fgs_function.backup.encrypted_user_data)) == { OBS_ACCESS_KEY_ID = "AK", OBS_SECRET_ACCESS_KEY = "SK" }
    error_message = "The backup has a secret that is none of its business."
  }
  assert {
    condition = alltrue([for f in [huaweicloud_fgs_function.backup, huaweicloud_fgs_function.restore, huaweicloud_fgs_function.console] :
    !strcontains(f.user_data, "AGE-SECRET-KEY") && !strcontains(f.user_data, "OBS_SECRET")])
    error_message = "A secret is in plain sight."
  }
  assert {
    condition     = jsondecode(huaweicloud_fgs_function_trigger.restore_requests.event_data).prefix == "factory/restore-requests/"
    error_message = "Restore requests lie elsewhere: ${huaweicloud_fgs_function_trigger.restore_requests.event_data}"
  }
  assert {
    condition     = jsondecode(jsondecode(huaweicloud_fgs_function_trigger.nightly.event_data).user_event) == { folder = "nightly" }
    error_message = "The nightly backup goes elsewhere."
  }
  assert {
    condition = (
      jsondecode(jsondecode(huaweicloud_fgs_function_trigger.drill[0].event_data).user_event) == { drill = { workspace = "0dd3000000000000000000000000dddd", source = "0dd3000000000000000000000000aaaa" } } &&
      jsondecode(huaweicloud_fgs_function_trigger.drill[0].event_data).schedule == "CRON_TZ=Asia/Singapore 0 0 4 * * 6" && huaweicloud_fgs_function_trigger.drill[0].function_urn == huaweicloud_fgs_function.restore.urn
    )
    error_message = "The drill is ${huaweicloud_fgs_function_trigger.drill[0].event_data}"
  }
  assert {
    condition = length(huaweicloud_apig_api.route) == 21 && length(huaweicloud_apig_acl_policy.accounts) == 0 && alltrue([for key, r in huaweicloud_apig_api.route :
    r.security_authentication == "APP" && r.request_protocol == "HTTPS" && "${r.request_method} ${r.request_path}" == key && can(huaweicloud_apig_api_publishment.route[key])])
    error_message = "A route is not published, or not as it should be."
  }
  assert {
    condition     = huaweicloud_obs_bucket.backups[0].sse_algorithm == "kms" && huaweicloud_obs_bucket.backups[0].kms_key_id == var.kms_key_id
    error_message = "The bucket is not encrypted with the key."
  }
  assert {
    condition     = length(huaweicloud_smn_topic.messages) == 0 && length(huaweicloud_obs_bucket.access_logs) == 0 && one(huaweicloud_obs_bucket.backups[0].logging).target_bucket == "all-logs"
    error_message = "Something is created that is there already."
  }
}

run "dataarts_in_another_project" {
  command = apply

  assert {
    condition = alltrue([for f, a in huaweicloud_identity_agency.function :
    toset([for r in a.project_role : "${r.project}: ${join(", ", sort(tolist(r.roles)))}"]) == toset(["ap-southeast-3_functions: nights-${f}-project", "ap-southeast-3_data: DAYU User"])])
    error_message = "An agency may use DataArts elsewhere than in its project."
  }
}

run "routes_for_some_accounts" {
  command = apply
  variables {
    gateway = { instance_id = "9a1c", auth = "IAM", accounts = ["2f1b9a7c5d3e4f60a1b2c3d4e5f60718", "2f1b9a7c5d3e4f60a1b2c3d4e5f60719"] }
  }

  assert {
    condition = (
      huaweicloud_apig_acl_policy.accounts[0].type == "PERMIT" && huaweicloud_apig_acl_policy.accounts[0].entity_type == "DOMAIN_ID" &&
      huaweicloud_apig_acl_policy.accounts[0].value == "2f1b9a7c5d3e4f60a1b2c3d4e5f60718,2f1b9a7c5d3e4f60a1b2c3d4e5f60719" &&
      huaweicloud_apig_acl_policy_associate.accounts[0].publish_ids == toset(["aa0a0e6b0c64a0e8d0fbb5f4a7d9c11a"])
    )
    error_message = "Every account of the cloud may call the routes."
  }
  assert {
    condition     = alltrue([for r in huaweicloud_apig_api.route : r.security_authentication == "IAM"])
    error_message = "A route is published otherwise."
  }
}

run "a_bucket_made_by_hand" {
  command = apply
  variables {
    create_bucket = false
  }

  assert {
    condition     = length(huaweicloud_obs_bucket.backups) + length(huaweicloud_obs_bucket_policy.backups) + length(huaweicloud_identity_agency.access_logs) == 0 && output.bucket == "nights-test"
    error_message = "The bucket is created once more."
  }
}
