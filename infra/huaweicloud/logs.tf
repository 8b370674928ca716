resource "huaweicloud_lts_group" "functions" {
  region      = var.region
  group_name  = var.name
  ttl_in_days = var.log_days
  tags        = var.tags
}

# FunctionGraph writes logs to LTS only where that was enabled in the project. Enabling it again changes nothing, and destroy leaves it enabled.
resource "huaweicloud_fgs_lts_log_enable" "project" {
  region = var.region
}

resource "huaweicloud_lts_stream" "function" {
  for_each = local.function_names

  region      = var.region
  group_id    = huaweicloud_lts_group.functions.id
  stream_name = each.value
  tags        = var.tags
}
