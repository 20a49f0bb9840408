package registry

import (
	"errors"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
)

func TestALinkIsEmptyADataKeyOrAProposal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		data string
		want link
		err  error
	}{
		{"empty", "", link{}, nil},
		{"a data key", `{"place":"3:abc:_bytes/x"}`, link{dataKey: "3:abc:_bytes/x"}, nil},
		{"a proposal", newNonce(), link{proposed: true}, nil},
		{"no data key", `{}`, link{}, ErrDamaged},
		{"an empty data key", `{"place":""}`, link{}, ErrDamaged},
		{"something else", `{"place":"x","more":1}`, link{}, ErrDamaged},
		{"two", `{"place":"x"}{"place":"y"}`, link{}, ErrDamaged},
		{"cut short", `{"place":"x`, link{}, ErrDamaged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseLink("key", storage.Value{Data: []byte(tt.data)})
			if !errors.Is(err, tt.err) || err == nil && got != tt.want {
				t.Errorf("got %+v, %v, want %+v, %v", got, err, tt.want, tt.err)
			}
		})
	}
	for _, dataKey := range []storage.DataKey{"", "3:\"abc\":_bytes/x"} {
		data, err := packLink(dataKey)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseLink("key", storage.Value{Data: data}); err != nil || got.dataKey != dataKey || got.proposed {
			t.Errorf("%q was written and read as %+v, %v", dataKey, got, err)
		}
	}
}
