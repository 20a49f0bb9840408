package webhook

import (
	"fmt"
	"strings"
)

// Question is what an endpoint is asked. An earlier answer is used again only if all of the question is the same,
// also what the endpoint's method does not send.
type Question struct {
	// Document is the JSON that method post sends.
	Document []byte
	// Facts are the headers that method get sends, in any order.
	Facts []Fact
	// Incoming are the headers of the client's request, by their canonical names. Those of
	// forward_headers are sent on.
	Incoming map[string][]string
}

// Fact is one thing that is told in a header. A fact without a value is not sent.
type Fact struct {
	// Name is the header.
	Name string
	// Values are told in one line, with commas between them. Whatever they hold, they are encoded so
	// that the line is one line, and that two lists of values never look alike.
	Values []string
	// Escaped says that the value is escaped with % already, as the path and query of a URL.
	Escaped bool
}

// line is the value of the header.
func (f Fact) line() string {
	var b strings.Builder
	for i, value := range f.Values {
		if i > 0 {
			b.WriteByte(',')
		}
		f.encode(&b, value)
	}
	return b.String()
}

// encode writes a value with all but printable ASCII as %XX. A comma, a % and spaces at the ends are
// encoded, too: a reader may split or trim there, and "admin " must not become "admin". Of what is escaped already
// neither % nor comma is encoded.
func (f Fact) encode(b *strings.Builder, value string) {
	for i := range len(value) {
		c := value[i]
		plain := c > ' ' && c <= '~'
		switch {
		case c == '%' || c == ',':
			plain = f.Escaped
		case c == ' ':
			plain = !f.Escaped && i > 0 && i < len(value)-1
		}
		if plain {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(b, "%%%02X", c)
		}
	}
}
