# What must not be deployed. Nothing is made here, so that what only the cloud knows is not known.

mock_provider "opentelekomcloud" {}

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

run "a_route_without_authentication" {
  command = plan
  variables {
    gateway = { instance_id = "9a1c", auth = "NONE" }
  }
  expect_failures = [var.gateway]
}

run "a_region_of_another_cloud" {
  command = plan
  variables {
    region = "eu-west-101"
  }
  expect_failures = [var.region]
}

run "a_project_that_is_not_the_main_one" {
  command = plan
  variables {
    project_name = "eu-de_data"
  }
  expect_failures = [opentelekomcloud_fgs_trigger_v2.restore_requests]
}

run "several_workspaces_in_one_folder" {
  command = plan
  variables {
    workspaces = ["0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11", "0dd3a0e6b0c64a0e8d0fbb5f4a7d9c12"]
    location   = "dataarts"
  }
  expect_failures = [opentelekomcloud_fgs_function_v2.backup]
}

run "a_drill_in_a_workspace_that_is_backed_up" {
  command = plan
  variables {
    drill = { workspace = "0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11" }
  }
  expect_failures = [opentelekomcloud_fgs_trigger_v2.drill]
}

run "more_settings_than_fit" {
  command = plan # before the topic is there
  variables {
    recipients = [for i in range(32) : "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
  }
  expect_failures = [opentelekomcloud_fgs_function_v2.backup, opentelekomcloud_fgs_function_v2.restore]
}

run "iam_authentication_for_every_account_of_the_cloud" {
  command = plan
  variables {
    gateway = { instance_id = "9a1c", auth = "IAM" }
  }
  expect_failures = [var.gateway]
}

run "backups_among_the_files_of_resources" {
  command = plan
  variables {
    resource_buckets = ["dataarts-backup-test"]
  }
  expect_failures = [opentelekomcloud_fgs_function_v2.restore]
}

run "dataarts_in_another_project_without_its_name" {
  command = plan
  variables {
    project_id = "b384b9e9ab9b4ee8994c8633aabc9505"
  }
  expect_failures = [opentelekomcloud_identity_agency_v3.function]
}

run "a_drill_beside_every_workspace" {
  command = plan
  variables {
    workspaces  = ["*"]
    instance_id = "6b88ad0541514d45a1d9ff0cd6e2bf4e"
    drill       = { workspace = "0dd3000000000000000000000000dddd", source = "0dd3000000000000000000000000aaaa" }
  }
  expect_failures = [opentelekomcloud_fgs_trigger_v2.drill]
}
