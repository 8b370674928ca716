locals {
  project = var.project_name != "" ? var.project_name : var.region
  # The project that DataArts is used in.
  dataarts_project = var.dataarts_project_name != "" ? var.dataarts_project_name : local.project

  several = length(var.workspaces) > 1 || contains(var.workspaces, "*")

  # Where things lie in the bucket: see docs/format.md. The root is what stands before the first path segment with {workspace} in it.
  location = var.location != "" ? var.location : local.several ? "{workspace}" : ""
  segments = split("/", local.location)
  fixed    = [for i, s in local.segments : s if !anytrue([for before in slice(local.segments, 0, i + 1) : length(regexall("{workspace}", before)) > 0])]
  root     = join("", [for s in local.fixed : "${s}/" if s != ""])

  # The locations as permissions name them: a folder for each workspace, and folders below it for backups that are kept apart.
  vault  = local.location == "" ? "" : "${replace(local.location, "{workspace}", "*")}/"
  vaults = [local.vault, "${local.vault}*/"]
}
