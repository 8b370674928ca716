# FunctionGraph's cron has six fields, seconds first. Without CRON_TZ the zone would be the region's.

resource "huaweicloud_fgs_function_trigger" "nightly" {
  region       = var.region
  function_urn = huaweicloud_fgs_function.backup.urn
  type         = "TIMER"
  event_data = jsonencode({
    name           = "nightly"
    schedule_type  = "Cron"
    schedule       = "CRON_TZ=${var.time_zone} 0 0 0 * * *"
    sync_execution = false
    user_event     = var.nightly_folder == "" ? "{}" : jsonencode({ folder = var.nightly_folder })
  })

  lifecycle {
    # The Manage Backup page stops and starts the daily backup and changes its folder, and an apply does not take that back. Whether the service changes the
    # schedule of a timer in place is documented in two ways, so a change of time_zone or nightly_folder, which the description names, makes a new one.
    ignore_changes       = [event_data, status]
    replace_triggered_by = [huaweicloud_fgs_function.backup.description]
  }
}

resource "huaweicloud_fgs_function_trigger" "verify" {
  count = var.verify_schedule == "" ? 0 : 1

  region       = var.region
  function_urn = huaweicloud_fgs_function.backup.urn
  type         = "TIMER"
  event_data = jsonencode({
    name           = "verify"
    schedule_type  = "Cron"
    schedule       = "CRON_TZ=${var.time_zone} ${var.verify_schedule}"
    sync_execution = false
    user_event     = jsonencode({ verify = "latest" })
  })
}

resource "huaweicloud_fgs_function_trigger" "drill" {
  count = var.drill == null ? 0 : 1

  region       = var.region
  function_urn = huaweicloud_fgs_function.restore.urn
  type         = "TIMER"
  event_data = jsonencode({
    name           = "drill"
    schedule_type  = "Cron"
    schedule       = "CRON_TZ=${var.time_zone} ${var.drill.schedule}"
    sync_execution = false
    user_event = jsonencode({ drill = { for name, value in {
      workspace = var.drill.workspace
      source    = var.drill.source
    } : name => value if value != "" } })
  })

  lifecycle {
    precondition {
      condition     = !contains(var.workspaces, var.drill.workspace) && var.drill.workspace != var.drill.source
      error_message = "A drill is held in a workspace of its own: one that is backed up would be written into."
    }
    precondition {
      condition     = var.drill.source != "" || !local.several
      error_message = "Several workspaces are backed up: say in drill.source which one's backup is restored."
    }
  }
}

# An object below restore-requests/ is a restore that somebody asks for. Nothing that a function writes elsewhere starts anything. Objects that are
# uploaded in parts count, too.
resource "huaweicloud_fgs_function_trigger" "restore_requests" {
  region       = var.region
  function_urn = huaweicloud_fgs_function.restore.urn
  type         = "OBS"
  event_data = jsonencode({
    name   = "restore-requests"
    bucket = local.bucket
    events = ["s3:ObjectCreated:*"]
    prefix = "${local.root}restore-requests/"
    suffix = ".json"
  })
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
