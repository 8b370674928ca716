resource "opentelekomcloud_lts_group_v2" "functions" {
  group_name  = var.name
  ttl_in_days = var.log_days
  tags        = var.tags
}

resource "opentelekomcloud_lts_stream_v2" "function" {
  for_each = local.function_names

  group_id    = opentelekomcloud_lts_group_v2.functions.id
  stream_name = each.value
  tags        = var.tags
}
