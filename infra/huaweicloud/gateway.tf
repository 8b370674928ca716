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

resource "huaweicloud_apig_group" "functions" {
  count = var.gateway == null ? 0 : 1

  region      = var.region
  instance_id = var.gateway.instance_id
  name        = replace(var.name, "-", "_")
  description = "The Manage Backup page and its API"

  lifecycle {
    ignore_changes = [url_domains] # as the provider wants it where a domain is bound by a resource of its own
  }
}

resource "huaweicloud_apig_group_domain_associate" "functions" {
  count = try(var.gateway.domain, "") == "" ? 0 : 1

  region                    = var.region
  instance_id               = var.gateway.instance_id
  group_id                  = huaweicloud_apig_group.functions[0].id
  url_domain                = var.gateway.domain
  min_ssl_version           = "TLSv1.2"
  is_http_redirect_to_https = true
  depends_on                = [huaweicloud_apig_acl_policy_associate.accounts] # the address comes last, so that it leads to nothing that is still open
}

resource "huaweicloud_apig_api" "route" {
  for_each = local.published

  region                  = var.region
  instance_id             = var.gateway.instance_id
  group_id                = huaweicloud_apig_group.functions[0].id
  type                    = "Private" # not on sale in the marketplace; who may call is for the authentication
  name                    = "${var.name}-${trim(replace(lower(each.key), "/[^a-z]+/", "-"), "-")}"
  request_protocol        = "HTTPS"
  request_method          = split(" ", each.key)[0]
  request_path            = split(" ", each.key)[1]
  matching                = "Exact"
  security_authentication = var.gateway.auth
  simple_authentication   = false

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
    function_urn    = each.value == "restore" ? huaweicloud_fgs_function.restore.urn : huaweicloud_fgs_function.console.urn
    version         = "latest"
    timeout         = 60000 # the gateway cuts the connection then; what takes longer is answered with 202 first
    invocation_type = "sync"
  }

  lifecycle {
    precondition {
      condition     = contains(["IAM", "APP"], var.gateway.auth)
      error_message = "No route is published without authentication."
    }
  }
}

resource "huaweicloud_apig_api_publishment" "route" {
  for_each = local.published

  region      = var.region
  instance_id = var.gateway.instance_id
  env_id      = var.gateway.environment_id
  api_id      = huaweicloud_apig_api.route[each.key].id

  lifecycle {
    # What is changed of a route holds only once it is published again.
    replace_triggered_by = [huaweicloud_apig_api.route[each.key].security_authentication]
  }
}

# With IAM authentication, whoever has an account of this cloud may call ("Security Authentication" of APIG's guide): these accounts alone are let through.
resource "huaweicloud_apig_acl_policy" "accounts" {
  count = local.only_accounts ? 1 : 0

  region      = var.region
  instance_id = var.gateway.instance_id
  name        = "${replace(var.name, "-", "_")}_accounts"
  type        = "PERMIT"
  entity_type = "DOMAIN_ID"
  value       = join(",", var.gateway.accounts)
}

resource "huaweicloud_apig_acl_policy_associate" "accounts" {
  count = local.only_accounts ? 1 : 0

  region      = var.region
  instance_id = var.gateway.instance_id
  policy_id   = huaweicloud_apig_acl_policy.accounts[0].id
  publish_ids = [for route in huaweicloud_apig_api_publishment.route : route.publish_id]
}
