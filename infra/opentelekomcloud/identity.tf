# Each function has an agency of its own. What it may do in the bucket and with FunctionGraph, SMN and KMS is listed action by action in two roles,
# because IAM keeps the permissions of global services (OBS) and those of a project apart. docs/format.md says what lies under which key; why each
# action is needed is in the README.

locals {
  object = "OBS:*:*:object:${var.bucket}/"

  # Lists. OBS answers 403 instead of 404 for what is not there to those who may not list, and the functions tell the two apart.
  list = {
    effect   = "Allow"
    action   = ["obs:bucket:ListBucket"]
    resource = ["OBS:*:*:bucket:${var.bucket}"]
  }

  read = {
    effect   = "Allow"
    action   = ["obs:object:GetObject"]
    resource = ["${local.object}${local.root}*"]
  }

  # Files of resources lie in other buckets. The console reads them to compare a backup with the live workspace.
  list_resource_files = length(var.resource_buckets) == 0 ? [] : [{
    effect   = "Allow"
    action   = ["obs:bucket:ListBucket"]
    resource = [for b in var.resource_buckets : "OBS:*:*:bucket:${b}"]
  }]
  read_resource_files = length(var.resource_buckets) == 0 ? [] : [{
    effect   = "Allow"
    action   = ["obs:object:GetObject"]
    resource = [for b in var.resource_buckets : "OBS:*:*:object:${b}/*"]
  }]
  write_resource_files = length(var.resource_buckets) == 0 ? [] : [{
    effect   = "Allow"
    action   = ["obs:object:GetObject", "obs:object:PutObject", "obs:object:DeleteObject", "obs:object:AbortMultipartUpload"]
    resource = [for b in var.resource_buckets : "OBS:*:*:object:${b}/*"]
  }]

  vault_statements = {
    backup = concat([
      local.list,
      local.read,
      {
        # Dated folders, leases, tombstones, records. Retention deletes, and versions stay: DeleteObjectVersion is nobody's.
        effect   = "Allow"
        action   = ["obs:object:PutObject", "obs:object:DeleteObject", "obs:object:AbortMultipartUpload"]
        resource = ["${local.object}${local.vault}*"]
      },
      {
        # Where the backups are not in a folder of their own, the permission above is for the whole root.
        effect   = "Deny"
        action   = ["obs:object:PutObject", "obs:object:DeleteObject", "obs:object:AbortMultipartUpload"]
        resource = [for folder in ["restore-requests", "restores", "drills"] : "${local.object}${local.root}${folder}/*"]
      },
    ], local.list_resource_files, local.read_resource_files)

    restore = concat([
      local.list,
      local.read,
      {
        effect = "Allow"
        action = ["obs:object:PutObject", "obs:object:DeleteObject"]
        resource = concat(
          [for folder in ["restores", "drills"] : "${local.object}${local.root}${folder}/*"],
          distinct([for folder in concat([local.root], local.vaults) : "${local.object}${folder}leases/*.json"]),
        )
      },
      {
        # A file that is saved before it is overwritten may be large.
        effect   = "Allow"
        action   = ["obs:object:AbortMultipartUpload"]
        resource = ["${local.object}${local.root}restores/*"]
      },
      {
        # A restore that is asked for by HTTP is stored, and its event runs it.
        effect   = "Allow"
        action   = ["obs:object:PutObject"]
        resource = ["${local.object}${local.root}restore-requests/*.json"]
      },
    ], local.list_resource_files, local.write_resource_files)

    console = concat([
      local.list,
      local.read,
      {
        effect   = "Allow"
        action   = ["obs:object:PutObject"]
        resource = concat(["${local.object}${local.vault}*/backup.json"], [for folder in local.vaults : "${local.object}${folder}verifications/*.json"])
      },
      {
        effect   = "Allow"
        action   = ["obs:object:PutObject", "obs:object:DeleteObject"]
        resource = [for folder in local.vaults : "${local.object}${folder}leases/*.json"]
      },
    ], local.list_resource_files, local.read_resource_files)
  }

  function_path = "FUNCTIONGRAPH:*:*:function:${local.app}/"

  # Messages to people.
  tell = {
    # publish for the functions' own messages; both for the platform's, of invocations that failed for good. SMN knows no permissions for single topics.
    effect   = "Allow"
    action   = ["smn:topic:publish", "smn:topic:list"]
    resource = null
  }

  # The key of the bucket, and those of the files of resources.
  keys = distinct(compact(concat([var.kms_key_id], var.resource_kms_key_ids)))
  use_keys = length(local.keys) == 0 ? [] : [{
    effect   = "Allow"
    action   = ["kms:cmk:get", "kms:cmk:generate", "kms:cmk:crypto", "kms:dek:create", "kms:dek:crypto"]
    resource = [for id in local.keys : "KMS:*:*:KeyId:${id}"]
  }]

  project_statements = {
    backup = concat([
      local.tell,
      {
        # Several workspaces are handed over to invocations of their own.
        effect   = "Allow"
        action   = ["functiongraph:function:invokeAsync"]
        resource = ["${local.function_path}${local.function_names.backup}"]
      },
    ], local.use_keys)

    restore = concat([local.tell], local.use_keys)

    console = concat([
      {
        effect   = "Allow"
        action   = ["functiongraph:function:invokeAsync"]
        resource = ["${local.function_path}${local.function_names.backup}"]
      },
      {
        # Start and stop the daily backup. A trigger's id is not known beforehand.
        effect   = "Allow"
        action   = ["functiongraph:trigger:list", "functiongraph:trigger:update", "functiongraph:trigger:create", "functiongraph:trigger:delete"]
        resource = ["${local.function_path}${local.function_names.backup}", "FUNCTIONGRAPH:*:*:trigger:*"]
      },
    ], local.use_keys)
  }
}

resource "opentelekomcloud_identity_role_v3" "vault" {
  provider = opentelekomcloud.account
  for_each = local.vault_statements

  display_name  = "${var.name}-${each.key}-vault"
  description   = "What the ${each.key} function does in ${var.bucket}"
  display_layer = "domain" # OBS is a global service

  dynamic "statement" {
    for_each = each.value
    content {
      effect   = statement.value.effect
      action   = statement.value.action
      resource = statement.value.resource
    }
  }
}

resource "opentelekomcloud_identity_role_v3" "project" {
  provider = opentelekomcloud.account
  for_each = local.project_statements

  display_name  = "${var.name}-${each.key}-project"
  description   = "What the ${each.key} function does in the project"
  display_layer = "project"

  dynamic "statement" {
    for_each = each.value
    content {
      effect   = statement.value.effect
      action   = statement.value.action
      resource = statement.value.resource
    }
  }
}

resource "opentelekomcloud_identity_agency_v3" "function" {
  provider = opentelekomcloud.account
  for_each = local.function_names

  name                  = each.value
  description           = "The ${each.key} function of ${var.name}"
  delegated_domain_name = "op_svc_cff"
  domain_roles          = [opentelekomcloud_identity_role_v3.vault[each.key].display_name]
  project_role {
    project = local.project
    roles   = concat([opentelekomcloud_identity_role_v3.project[each.key].display_name], local.dataarts_project == local.project ? [var.dataarts_role] : [])
  }
  dynamic "project_role" {
    for_each = local.dataarts_project == local.project ? [] : [local.dataarts_project]
    content {
      project = project_role.value
      roles   = [var.dataarts_role]
    }
  }

  lifecycle {
    precondition {
      condition     = (var.project_id == "") == (var.dataarts_project_name == "")
      error_message = "Where the workspaces are in another project than the functions, name it twice: project_id and dataarts_project_name."
    }
  }
}
