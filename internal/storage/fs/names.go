package fs

import (
	"sort"
	"strings"

	"github.com/sreg-project/sreg/internal/storage"
)

// namesBudget bounds the memory of the cached names, in bytes.
const namesBudget = 32 << 20

// nameList is the sorted names of one folder, packed: one string and one offset a name.
type nameList struct {
	text string
	ends []uint32
}

func packNames(names []string) nameList {
	n := nameList{ends: make([]uint32, len(names))}
	var text strings.Builder
	for i, name := range names {
		text.WriteString(name)
		n.ends[i] = uint32(text.Len())
	}
	n.text = text.String()
	return n
}

func (n nameList) len() int { return len(n.ends) }

func (n nameList) at(i int) string {
	if i == 0 {
		return n.text[:n.ends[0]]
	}
	return n.text[n.ends[i-1]:n.ends[i]]
}

// search finds the first name that is not before from.
func (n nameList) search(from string) int {
	return sort.Search(n.len(), func(i int) bool { return n.at(i) >= from })
}

func (n nameList) size() int { return len(n.text) + 4*len(n.ends) }

// cachedNames are the names of a folder and the stamp it had when they were read.
type cachedNames struct {
	stamp storage.Stamp
	names nameList
}
