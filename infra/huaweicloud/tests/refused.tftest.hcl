# What must not be deployed.

mock_provider "huaweicloud" {}

variables {
  region            = "eu-west-101"
  workspaces        = ["0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11"]
  bucket            = "dataarts-backup-test"
  time_zone         = "Europe/Berlin"
  alarm_user        = "operator"
  package_directory = "tests/packages"
}

run "a_route_without_authentication" {
  command = plan
  variables {
    gateway = { instance_id = "9a1c", auth = "NONE" }
  }
  expect_failures = [var.gateway]
}

run "a_time_zone_that_is_an_offset" {
  command = plan
  variables {
    time_zone = "+02:00"
  }
  expect_failures = [var.time_zone]
}

run "rules_of_retention_with_a_slip" {
  command = plan
  variables {
    keep = "daily=30,wekly=8"
  }
  expect_failures = [var.keep]
}

run "a_private_key_as_recipient" {
  command = plan
  variables {
    recipients = ["AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0SQQQQQQ"]
  }
  expect_failures = [var.recipients]
}

run "several_workspaces_in_one_folder" {
  command = plan
  variables {
    workspaces = ["0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11", "0dd3a0e6b0c64a0e8d0fbb5f4a7d9c12"]
    location   = "dataarts"
  }
  expect_failures = [huaweicloud_fgs_function.backup]
}

run "every_workspace_of_no_instance" {
  command = plan
  variables {
    workspaces = ["*"]
  }
  expect_failures = [huaweicloud_fgs_function.backup]
}

run "a_drill_in_a_workspace_that_is_backed_up" {
  command = plan
  variables {
    drill = { workspace = "0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11" }
  }
  expect_failures = [huaweicloud_fgs_function_trigger.drill]
}

run "alarms_in_nobodys_name" {
  command = plan
  variables {
    alarm_user = ""
  }
  expect_failures = [huaweicloud_lts_keywords_alarm_rule.log]
}

run "more_settings_than_fit" {
  command = plan # before the topic is there
  variables {
    recipients = [for i in range(32) : "age1${substr("ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p", 0, 58)}"]
  }
  expect_failures = [huaweicloud_fgs_function.backup, huaweicloud_fgs_function.restore]
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
  expect_failures = [huaweicloud_fgs_function.restore]
}

run "dataarts_in_another_project_without_its_name" {
  command = plan
  variables {
    project_id = "b384b9e9ab9b4ee8994c8633aabc9505"
  }
  expect_failures = [huaweicloud_identity_agency.function]
}

run "a_drill_beside_every_workspace" {
  command = plan
  variables {
    workspaces  = ["*"]
    instance_id = "6b88ad0541514d45a1d9ff0cd6e2bf4e"
    drill       = { workspace = "0dd3000000000000000000000000dddd", source = "0dd3000000000000000000000000aaaa" }
  }
  expect_failures = [huaweicloud_fgs_function_trigger.drill]
}
