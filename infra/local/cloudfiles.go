package local

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

// UploadFiles puts the files that a workspace's resources point to into FilesBucket, and returns how many there are. What lies in other buckets
// stays missing, as files do that somebody has deleted.
func (c *Cloud) UploadFiles(w *dataarts.WorkspaceHandle) (int, error) {
	keys := map[string]bool{}
	for identity, raw := range w.All(dataarts.Resources) {
		var resource struct {
			Location       string   `json:"location"`
			DependFiles    []string `json:"dependFiles"`
			DependPackages []struct {
				Location string `json:"location"`
			} `json:"dependPackages"`
		}
		if err := json.Unmarshal(raw, &resource); err != nil {
			return 0, fmt.Errorf("upload the files of resource %s: %w", identity, err)
		}
		locations := append([]string{resource.Location}, resource.DependFiles...)
		for _, p := range resource.DependPackages {
			locations = append(locations, p.Location)
		}
		for _, location := range locations {
			if key, ok := strings.CutPrefix(location, "obs://"+FilesBucket+"/"); ok && key != "" {
				keys[key] = true
			}
		}
	}
	for key := range keys {
		if err := c.Store.PutObject(FilesBucket, key, []byte("the content of "+key+"\n")); err != nil {
			return 0, fmt.Errorf("upload %s: %w", key, err)
		}
	}
	return len(keys), nil
}
