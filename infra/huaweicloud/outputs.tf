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
    backup  = huaweicloud_fgs_function.backup.urn
    restore = huaweicloud_fgs_function.restore.urn
    console = huaweicloud_fgs_function.console.urn
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
  description = "How to take a first backup now. Permissions of new agencies take ten minutes to work"
  value       = "in FunctionGraph's console, test ${local.function_names.backup} with the event back-up-now; or hcloud FunctionGraph AsyncInvokeFunction --cli-region=${var.region} --function_urn=${huaweicloud_fgs_function.backup.urn}"
}

output "verify" {
  description = "How to verify the newest backup"
  value       = "in FunctionGraph's console, test ${local.function_names.backup} with the event verify-latest; or on the page"
}

output "remove_backups" {
  description = "How to delete the backups, all of them and for good; terraform destroy never does"
  value       = "obsutil rm obs://${local.bucket} -r -f -v deletes every version of every object, which nothing brings back; then terraform destroy deletes the bucket"
}

output "worm" {
  description = "How the backups are kept from being deleted by whoever holds the keys"
  value = join("", [
    var.create_bucket ? "Versions that were deleted stay ${var.noncurrent_version_days} days, and no function may delete a version. " : "The bucket was not made here. ",
    "WORM protection (object lock) can only be had when a bucket is created, and this provider does not know it: make the bucket by hand and set create_bucket = false; see the README.",
  ])
}
