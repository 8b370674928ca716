# Resource Formation Service has the provider below a name of its own, sets its credentials, and takes no backend.
terraform {
  required_version = ">= 1.5.0"
  required_providers {
    huaweicloud = {
      source  = "huawei.com/provider/huaweicloud"
      version = ">= 1.95.0, < 2.0.0"
    }
  }
}

provider "huaweicloud" {
  region = var.region
}
