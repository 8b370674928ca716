package handler

import ("testing";"strings";"time";"fmt")

func TestZZ(t *testing.T) {
	base := strings.Repeat("      {\"job\": \"dwd_orders\", \"node\": \"load\", \"connectionName\": \"mrs_hive_prod\", \"database\": \"dwd\"},\n", 30000)
	for n, c := range map[string][2]string{"blank": {base[:10000], base[:10000] + strings.Repeat(" \n", 2500000)}, "all": {base, strings.ReplaceAll(base, "prod", "dr")}, "one line": {base, strings.ReplaceAll(base, "\n", " ")},
		"insert": {base, "x\n" + base}, "every second gone": {base, strings.Repeat(base[:100]+"\ny\n", 20000)}} {
		b := time.Now(); d, w := documentDiff(c[0], c[1]); fmt.Println(n, len(d), w, time.Since(b))
	}
}
