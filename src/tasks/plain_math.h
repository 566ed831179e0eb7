// The one spelling in which numbers and expressions are read: what a person, a model or a file of tasks writes in
// LaTeX, in full-width signs or with a currency becomes the plain sign it prints. References and answers go through it
// alike.
#pragma once

#include <string>
#include <string_view>

namespace nuri::tasks {

/// `text` with these put plainly, everything else as it stands; linear in its bytes, of which it takes any:
///   \dfrac \tfrac \cfrac -> \frac;  \mathrm{} \textrm{} \mbox{} -> \text{};  \boxed{12} \mathbf{12} -> {12};
///   \times \cdot and their signs -> *;  \div and its signs -> /;  minus signs and dashes -> -;
///   \% -> %;  {,} -> ,;  1\,234 12,\!345 -> 1234 12,345;  other spaces of LaTeX and Unicode -> a blank;
///   $ \$ and signs of won, euro, pound and yen, \left \right, degrees -> nothing;  a line's end (\\) stays; full-width
///   signs -> ASCII; one-sign fractions -> 1/2 behind a blank.
std::string plain_math(std::string_view text);

}  // namespace nuri::tasks
