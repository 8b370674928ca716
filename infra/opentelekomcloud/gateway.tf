# Every route of docs/openapi.yaml on the dedicated gateway, each by itself: a path that the functions do not know does not even reach them. All are in one
# group, and so below one address, because the page asks for restores at the paths beside its own.

locals {
  routes = {
    "GET /"                            = "console"
    "GET /backups"                     = "console"
    "POST /backups"                    = "console"
    "GET /backups/{name}"              = "console"
    "GET /backups/{name}/asset"        = "console"
    "GET /backups/{name}/diff/{other}" = "console"
    "GET /backups/{name}/document"     = "console"
    "PUT /backups/{name}/document"     = "console"
    "GET /backups/{name}/export"       = "console"
    "GET /backups/{name}/graph"        = "console"
    "POST /backups/{name}/verify"      = "console"
    "GET /calendar"                    = "console"
    "GET /find"                        = "console"
    "GET /folders"                     = "console"
    "GET /log"                         = "console"
    "GET /schedule"                    = "console"
    "PUT /schedule"                    = "console"
    "GET /restores"                    = "restore"
    "POST /restores"                   = "restore"
    "GET /restores/{id}"               = "restore"
    "POST /restores/{id}/undo"         = "restore"
  }

  published     = var.gateway == null ? {} : local.routes
  only_accounts = try(var.gateway.auth == "IAM", false)
}

resource "opentelekomcloud_apigw_group_v2" "functions" {
  count = var.gateway == null ? 0 : 1

  instance_id = var.gateway.instance_id
  name        = replace(var.name, "-", "_")
  description = "The Manage Backup page and its API"
}

resource "opentelekomcloud_apigw_api_v2" "route" {
  for_each = local.published

  gateway_id                      = var.gateway.instance_id
  group_id                        = opentelekomcloud_apigw_group_v2.functions[0].id
  type                            = "Private" # not on sale in the marketplace; who may call is for the authentication
  name                            = "${var.name}-${trim(replace(lower(each.key), "/[^a-z]+/", "-"), "-")}"
  request_protocol                = "HTTPS"
  request_method                  = split(" ", each.key)[0]
  request_uri                     = split(" ", each.key)[1]
  match_mode                      = "EXACT"
  security_authentication_type    = var.gateway.auth
  security_authentication_enabled = false # no AppCode: a password in a header, without a signature

  dynamic "request_params" {
    for_each = regexall("{([a-z]+)}", each.key)
    content {
      name     = request_params.value[0]
      location = "PATH"
      type     = "STRING"
      required = true
    }
  }

  func_graph {
    function_urn    = each.value == "restore" ? opentelekomcloud_fgs_function_v2.restore.urn : opentelekomcloud_fgs_function_v2.console.urn
    version         = "latest"
    timeout         = 60000 # the gateway cuts the connection then; what takes longer is answered with 202 first
    invocation_type = "sync"
  }

  lifecycle {
    precondition {
      condition     = contains(["IAM", "APP"], var.gateway.auth) # nothing said would be NONE
      error_message = "No route is published without authentication."
    }
  }
}

resource "opentelekomcloud_apigw_api_publishment_v2" "route" {
  for_each = local.published

  gateway_id     = var.gateway.instance_id
  environment_id = var.gateway.environment_id
  api_id         = opentelekomcloud_apigw_api_v2.route[each.key].id

  lifecycle {
    # What is changed of a route holds only once it is published again.
    replace_triggered_by = [opentelekomcloud_apigw_api_v2.route[each.key].security_authentication_type]
  }
}

# With IAM authentication, whoever has an account of this cloud may call: these accounts alone are let through.
resource "opentelekomcloud_apigw_acl_policy_v2" "accounts" {
  count = local.only_accounts ? 1 : 0

  gateway_id  = var.gateway.instance_id
  name        = "${replace(var.name, "-", "_")}_accounts"
  type        = "PERMIT"
  entity_type = "DOMAIN_ID"
  value       = join(",", var.gateway.accounts)
}

resource "opentelekomcloud_apigw_acl_policy_associate_v2" "accounts" {
  count = local.only_accounts ? 1 : 0

  gateway_id  = var.gateway.instance_id
  policy_id   = opentelekomcloud_apigw_acl_policy_v2.accounts[0].id
  publish_ids = [for route in opentelekomcloud_apigw_api_publishment_v2.route : route.publish_id]
}
