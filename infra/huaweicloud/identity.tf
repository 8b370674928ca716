# Each function has an agency of its own. What it may do in the bucket and with FunctionGraph, SMN and KMS is listed action by action in two roles,
# because IAM keeps the permissions of global services (OBS) and those of a project apart. docs/format.md says what lies under which key; why each
# action is needed is in the README.

locals {
  object = "OBS:*:*:object:${var.bucket}/"

  # Lists. OBS answers 403 instead of 404 for what is not there to those who may not list, and the functions tell the two apart.
  list = {
    Effect   = "Allow"
    Action   = ["obs:bucket:ListBucket"]
    Resource = ["OBS:*:*:bucket:${var.bucket}"]
  }

  read = {
    Effect   = "Allow"
    Action   = ["obs:object:GetObject"]
    Resource = ["${local.object}${local.root}*"]
  }

  # Files of resources lie in other buckets. The console reads them to compare a backup with the live workspace.
  list_resource_files = length(var.resource_buckets) == 0 ? [] : [{
    Effect   = "Allow"
    Action   = ["obs:bucket:ListBucket"]
    Resource = [for b in var.resource_buckets : "OBS:*:*:bucket:${b}"]
  }]
  read_resource_files = length(var.resource_buckets) == 0 ? [] : [{
    Effect   = "Allow"
    Action   = ["obs:object:GetObject"]
    Resource = [for b in var.resource_buckets : "OBS:*:*:object:${b}/*"]
  }]
  write_resource_files = length(var.resource_buckets) == 0 ? [] : [{
    Effect   = "Allow"
    Action   = ["obs:object:GetObject", "obs:object:PutObject", "obs:object:DeleteObject", "obs:object:AbortMultipartUpload"]
    Resource = [for b in var.resource_buckets : "OBS:*:*:object:${b}/*"]
  }]

  vault_statements = {
    backup = concat([
      local.list,
      local.read,
      {
        # Dated folders, leases, tombstones, records. Retention deletes, and versions stay: DeleteObjectVersion is nobody's.
        Effect   = "Allow"
        Action   = ["obs:object:PutObject", "obs:object:DeleteObject", "obs:object:AbortMultipartUpload"]
        Resource = ["${local.object}${local.vault}*"]
      },
      {
        # Where the backups are not in a folder of their own, the permission above is for the whole root.
        Effect   = "Deny"
        Action   = ["obs:object:PutObject", "obs:object:DeleteObject", "obs:object:AbortMultipartUpload"]
        Resource = [for folder in ["restore-requests", "restores", "drills"] : "${local.object}${local.root}${folder}/*"]
      },
    ], local.list_resource_files, local.read_resource_files)

    restore = concat([
      local.list,
      local.read,
      {
        Effect = "Allow"
        Action = ["obs:object:PutObject", "obs:object:DeleteObject"]
        Resource = concat(
          [for folder in ["restores", "drills"] : "${local.object}${local.root}${folder}/*"],
          distinct([for folder in concat([local.root], local.vaults) : "${local.object}${folder}leases/*.json"]),
        )
      },
      {
        # A file that is saved before it is overwritten may be large.
        Effect   = "Allow"
        Action   = ["obs:object:AbortMultipartUpload"]
        Resource = ["${local.object}${local.root}restores/*"]
      },
      {
        # A restore that is asked for by HTTP is stored, and its event runs it.
        Effect   = "Allow"
        Action   = ["obs:object:PutObject"]
        Resource = ["${local.object}${local.root}restore-requests/*.json"]
      },
    ], local.list_resource_files, local.write_resource_files)

    console = concat([
      local.list,
      local.read,
      {
        Effect   = "Allow"
        Action   = ["obs:object:PutObject"]
        Resource = concat(["${local.object}${local.vault}*/backup.json"], [for folder in local.vaults : "${local.object}${folder}verifications/*.json"])
      },
      {
        Effect   = "Allow"
        Action   = ["obs:object:PutObject", "obs:object:DeleteObject"]
        Resource = [for folder in local.vaults : "${local.object}${folder}leases/*.json"]
      },
    ], local.list_resource_files, local.read_resource_files)
  }

  function_path = "FUNCTIONGRAPH:*:*:function:${local.app}/"

  # Messages to people.
  tell = {
    # publish for the functions' own messages; both for the platform's, of invocations that failed for good. No form of a topic's name in a permission
    # is documented, so this is for every topic of the project.
    Effect = "Allow"
    Action = ["smn:topic:publish", "smn:topic:list"]
  }

  # The key of the bucket, and those of the files of resources.
  keys = distinct(compact(concat([var.kms_key_id], var.resource_kms_key_ids)))
  use_keys = length(local.keys) == 0 ? [] : [{
    Effect   = "Allow"
    Action   = ["kms:cmk:get", "kms:dek:create", "kms:dek:crypto"]
    Resource = [for id in local.keys : "KMS:*:*:KeyId:${id}"]
  }]

  project_statements = {
    backup = concat([
      local.tell,
      {
        # Several workspaces are handed over to invocations of their own.
        Effect   = "Allow"
        Action   = ["functiongraph:function:invokeAsync"]
        Resource = ["${local.function_path}${local.function_names.backup}"]
      },
    ], local.use_keys)

    restore = concat([local.tell], local.use_keys)

    console = concat([
      {
        Effect   = "Allow"
        Action   = ["functiongraph:function:invokeAsync"]
        Resource = ["${local.function_path}${local.function_names.backup}"]
      },
      {
        # Start and stop the daily backup. A trigger's id is not known beforehand.
        Effect   = "Allow"
        Action   = ["functiongraph:trigger:list", "functiongraph:trigger:update", "functiongraph:trigger:create", "functiongraph:trigger:delete"]
        Resource = ["${local.function_path}${local.function_names.backup}", "FUNCTIONGRAPH:*:*:trigger:*"]
      },
    ], local.use_keys)
  }
}

resource "huaweicloud_identity_role" "vault" {
  for_each = local.vault_statements

  name        = "${var.name}-${each.key}-vault"
  description = "What the ${each.key} function does in ${var.bucket}"
  type        = "AX"
  policy      = jsonencode({ Version = "1.1", Statement = each.value })
}

resource "huaweicloud_identity_role" "project" {
  for_each = local.project_statements

  name        = "${var.name}-${each.key}-project"
  description = "What the ${each.key} function does in the project"
  type        = "XA"
  policy      = jsonencode({ Version = "1.1", Statement = each.value })
}

resource "huaweicloud_identity_agency" "function" {
  for_each = local.function_names

  name                  = each.value
  description           = "The ${each.key} function of ${var.name}"
  delegated_domain_name = "op_svc_cff"
  domain_roles          = [huaweicloud_identity_role.vault[each.key].name]
  project_role {
    project = local.project
    roles   = concat([huaweicloud_identity_role.project[each.key].name], local.dataarts_project == local.project ? [var.dataarts_role] : [])
  }
  dynamic "project_role" {
    for_each = local.dataarts_project == local.project ? [] : [local.dataarts_project]
    content {
      project = project_role.value
      roles   = [var.dataarts_role]
    }
  }

  lifecycle {
    ignore_changes = [delegated_service_name] # the provider reads the delegated domain back as this, too, and every plan would take it away
    precondition {
      condition     = (var.project_id == "") == (var.dataarts_project_name == "")
      error_message = "Where the workspaces are in another project than the functions, name it twice: project_id and dataarts_project_name."
    }
    # A role that it does not find, the provider leaves out without an error.
    postcondition {
      condition = alltrue([for role in [huaweicloud_identity_role.project[each.key].name, var.dataarts_role] :
      contains(flatten([for granted in self.project_role : tolist(granted.roles)]), role)]) && contains(tolist(self.domain_roles), huaweicloud_identity_role.vault[each.key].name)
      error_message = "The agency lacks a role. If this region has no ${var.dataarts_role}, set dataarts_role to one that it has; otherwise IAM did not know the new roles yet: apply again."
    }
  }
}
