output "bucket" {
  description = "The bucket of the backups. It stays when the rest is destroyed: see remove_backups"
  value       = local.bucket
}

output "location" {
  description = "Where the backups lie"
  value       = local.settings.BACKUP_LOCATION
}

output "page" {
  description = "Address of the Manage Backup page"
  value = (
    var.gateway == null ? "none: set gateway to publish it, or read the backups with the console function's own invocations" :
    var.gateway.domain == "" ? "https://<the debugging domain of the group ${replace(var.name, "-", "_")} on the gateway>/ with ${var.gateway.auth} authentication" :
    "https://${var.gateway.domain}/ with ${var.gateway.auth} authentication"
  )
}

output "functions" {
  description = "URNs of the functions"
  value = {
    backup  = opentelekomcloud_fgs_function_v2.backup.urn
    restore = opentelekomcloud_fgs_function_v2.restore.urn
    console = opentelekomcloud_fgs_function_v2.console.urn
  }
}

output "topic_urn" {
  description = "The topic that is told of backups, failures and alarms"
  value       = local.topic_urn
}

output "grant_workspace_roles" {
  description = "What cannot be done from here: a role in each workspace for each agency"
  value = var.dataarts_role == "DAYU Administrator" ? "nothing: DAYU Administrator has every workspace" : join("", [
    "In DataArts Studio, add these agencies to the workspaces: ${local.function_names.backup} (developer), ${local.function_names.restore} (admin), ",
    "${local.function_names.console} (viewer). Where an agency cannot be added, set dataarts_role = \"DAYU Administrator\".",
  ])
}

output "first_backup" {
  description = "Command that takes a first backup now, with an IAM token of the project in OS_TOKEN; its end is told to the topic. Permissions of new agencies take ten minutes to work"
  value = join(" ", [
    "curl --fail -X POST -H \"X-Auth-Token: $OS_TOKEN\" -H 'Content-Type: application/json' -d '{}'",
    join("/", [
      var.functiongraph_endpoint != "" ? var.functiongraph_endpoint : "https://functiongraph.${var.region}.otc.t-systems.com",
      "v2", split(":", opentelekomcloud_fgs_function_v2.backup.urn)[3], "fgs/functions", opentelekomcloud_fgs_function_v2.backup.urn, "invocations-async",
    ]),
  ])
}

output "verify" {
  description = "How to verify the newest backup"
  value       = "invoke ${opentelekomcloud_fgs_function_v2.backup.urn} with {\"verify\":\"latest\"}, in FunctionGraph's console as a test event, or on the page"
}

output "remove_backups" {
  description = "How to delete the backups, all of them and for good; terraform destroy never does"
  value       = "obsutil rm obs://${local.bucket} -r -f -v deletes every version of every object, which nothing brings back; then terraform destroy deletes the bucket"
}

output "worm" {
  description = "How the backups are kept from being deleted by whoever holds the keys"
  value = join("", [
    !var.create_bucket ? "The bucket was not made here. " :
    var.worm_days > 0 ? "For ${var.worm_days} days nobody deletes a version of any object. " :
    "WORM protection is off, and can only be had when a bucket is created: worm_days. ",
    "Versions that were deleted stay ${var.noncurrent_version_days} days, and no function may delete a version.",
  ])
}
