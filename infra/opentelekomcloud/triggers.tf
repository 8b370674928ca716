# FunctionGraph's cron has six fields, seconds first. Without CRON_TZ the zone would be the region's.

locals {
  nightly = {
    name          = "nightly"
    schedule_type = "Cron"
    schedule      = "CRON_TZ=${var.time_zone} 0 0 0 * * *"
    user_event    = var.nightly_folder == "" ? "{}" : jsonencode({ folder = var.nightly_folder })
  }

  verify = {
    name          = "verify"
    schedule_type = "Cron"
    schedule      = "CRON_TZ=${var.time_zone} ${var.verify_schedule}"
    user_event    = jsonencode({ verify = "latest" })
  }

  drill = {
    name          = "drill"
    schedule_type = "Cron"
    schedule      = "CRON_TZ=${var.time_zone} ${try(var.drill.schedule, "")}"
    user_event = jsonencode({ drill = { for name, value in {
      workspace = try(var.drill.workspace, "")
      source    = try(var.drill.source, "")
    } : name => value if value != "" } })
  }

  # An object below restore-requests/ is a restore that somebody asks for. Nothing that a function writes elsewhere starts anything. Objects that are
  # uploaded in parts count, too.
  restore_requests = {
    name   = "restore-requests"
    bucket = local.bucket
    events = ["s3:ObjectCreated:*"]
    prefix = "${local.root}restore-requests/"
    suffix = ".json"
  }
}

# The service gives a trigger's settings back in its own words, and the provider would take that for a change, in every plan. So their changes are
# told by these, and make a new trigger.
resource "terraform_data" "trigger" {
  for_each = {
    nightly          = local.nightly
    verify           = local.verify
    drill            = local.drill
    restore_requests = local.restore_requests
  }
  input = jsonencode(each.value)
}

resource "opentelekomcloud_fgs_trigger_v2" "nightly" {
  function_urn = opentelekomcloud_fgs_function_v2.backup.urn
  type         = "TIMER"
  event_data   = jsonencode(local.nightly)

  lifecycle {
    # The Manage Backup page stops and starts the daily backup and changes its folder, and an apply does not take that back.
    ignore_changes       = [event_data, status]
    replace_triggered_by = [terraform_data.trigger["nightly"]]
  }
}

resource "opentelekomcloud_fgs_trigger_v2" "verify" {
  count = var.verify_schedule == "" ? 0 : 1

  function_urn = opentelekomcloud_fgs_function_v2.backup.urn
  type         = "TIMER"
  event_data   = jsonencode(local.verify)

  lifecycle {
    ignore_changes       = [event_data]
    replace_triggered_by = [terraform_data.trigger["verify"]]
  }
}

resource "opentelekomcloud_fgs_trigger_v2" "drill" {
  count = var.drill == null ? 0 : 1

  function_urn = opentelekomcloud_fgs_function_v2.restore.urn
  type         = "TIMER"
  event_data   = jsonencode(local.drill)

  lifecycle {
    ignore_changes       = [event_data]
    replace_triggered_by = [terraform_data.trigger["drill"]]
    precondition {
      condition     = !contains(var.workspaces, var.drill.workspace) && var.drill.workspace != var.drill.source
      error_message = "A drill is held in a workspace of its own: one that is backed up would be written into."
    }
    precondition {
      condition     = !contains(var.workspaces, "*")
      error_message = "With * the drill's workspace is backed up like every other, and the drill refuses it: name the workspaces to back up."
    }
    precondition {
      condition     = var.drill.source != "" || !local.several
      error_message = "Several workspaces are backed up: say in drill.source which one's backup is restored."
    }
  }
}

# OBS triggers work in the region's main project only, and a bucket has one function: no other may be triggered by this bucket.
resource "opentelekomcloud_fgs_trigger_v2" "restore_requests" {
  function_urn = opentelekomcloud_fgs_function_v2.restore.urn
  type         = "OBS"
  event_data   = jsonencode(local.restore_requests)

  lifecycle {
    ignore_changes       = [event_data]
    replace_triggered_by = [terraform_data.trigger["restore_requests"]]
    precondition {
      condition     = local.project == var.region
      error_message = "OBS notifies functions of the region's main project only: deploy to the project that has the region's name."
    }
  }
}
