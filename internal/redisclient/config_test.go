package redisclient

import "testing"

func TestValidate(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"redis://h:6379/0": true, "rediss://h": true, "redis://h:1,h:2": true, "redis://h:1,h:2/0?master_name=m": true, "redis://[::1]:6379/0": true,
		"redis://h/0?dial_timeout=3s": true, "redis://h:1,i:2/?read_timeout=3s": true,
		"http://h": false, "redis://": false, "h:6379": false, "redis://u:p@h/0": false, "redis://h/0?password=x": false, "redis://h/x": false,
		"redis://h:1,h:2/3": false, "redis://h/0?unknown=1": false, "redis://h/0#x": false, "redis://h:1,,h:2": false, "redis://h:x/0": false,
	} {
		var got []string
		config(url, nil).Validate(func(path, problem string) { got = append(got, path+": "+problem) })
		if (len(got) == 0) != ok {
			t.Errorf("%s: got problems %q, want them: %v", url, got, !ok)
		}
	}
}
