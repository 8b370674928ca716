# FunctionGraph's cron has six fields, seconds first. Without CRON_TZ the zone would be the region's.

locals {
  nightly = {
    name           = "nightly"
    schedule_type  = "Cron"
    schedule       = "CRON_TZ=${var.time_zone} 0 0 0 * * *"
    sync_execution = false
    user_event     = var.nightly_folder == "" ? "{}" : jsonencode({ folder = var.nightly_folder })
  }

  verify = {
    name           = "verify"
    schedule_type  = "Cron"
    schedule       = "CRON_TZ=${var.time_zone} ${var.verify_schedule}"
    sync_execution = false
    user_event     = jsonencode({ verify = "latest" })
  }

  drill = {
    name           = "drill"
    schedule_type  = "Cron"
    schedule       = "CRON_TZ=${var.time_zone} ${try(var.drill.schedule, "")}"
    sync_execution = false
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

# The service gives a trigger's settings back in its own words, and the provider would take that for a change, in every plan. Whether the service changes
# the settings of a trigger in place is documented in two ways, too. So their changes are told by these, and make a new trigger.
resource "terraform_data" "trigger" {
  for_each = {
    nightly          = local.nightly
    verify           = local.verify
    drill            = local.drill
    restore_requests = local.restore_requests
  }
  input = jsonencode(each.value)
}

resource "huaweicloud_fgs_function_trigger" "nightly" {
  region       = var.region
  function_urn = huaweicloud_fgs_function.backup.urn
  type         = "TIMER"
  event_data   = jsonencode(local.nightly)

  lifecycle {
    # The Manage Backup page stops and starts the daily backup and changes its folder, and an apply does not take that back.
    ignore_changes       = [event_data, status]
    replace_triggered_by = [terraform_data.trigger["nightly"]]
  }
}

resource "huaweicloud_fgs_function_trigger" "verify" {
  count = var.verify_schedule == "" ? 0 : 1

  region       = var.region
  function_urn = huaweicloud_fgs_function.backup.urn
  type         = "TIMER"
  event_data   = jsonencode(local.verify)

  lifecycle {
    ignore_changes       = [event_data]
    replace_triggered_by = [terraform_data.trigger["verify"]]
  }
}

resource "huaweicloud_fgs_function_trigger" "drill" {
  count = var.drill == null ? 0 : 1

  region       = var.region
  function_urn = huaweicloud_fgs_function.restore.urn
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

resource "huaweicloud_fgs_function_trigger" "restore_requests" {
  region       = var.region
  function_urn = huaweicloud_fgs_function.restore.urn
  type         = "OBS"
  event_data   = jsonencode(local.restore_requests)

  lifecycle {
    ignore_changes       = [event_data]
    replace_triggered_by = [terraform_data.trigger["restore_requests"]]
  }
}

# Test events of the backup function: whoever is in FunctionGraph's console finds what there is to ask for.
resource "huaweicloud_fgs_function_event" "backup" {
  for_each = {
    back-up-now   = {}
    verify-latest = { verify = "latest" }
  }

  region       = var.region
  function_urn = huaweicloud_fgs_function.backup.urn
  name         = each.key
  content      = base64encode(jsonencode(each.value))
}
