// Particles, whose form follows the sound that a word ends in.
#pragma once

#include <string>
#include <string_view>

namespace nuri {

/// Whether a word ends in a consonant when read aloud. A number in digits is read in Sino-Korean: 2, 4, 5 and 9 at its
/// end are read as vowels (10, 100 are 십, 백). Letters of other scripts count as vowels.
bool ends_in_consonant(std::string_view word);

/// word + particle.
std::string ko_topic(std::string_view word);    ///< 은, 는
std::string ko_subject(std::string_view word);  ///< 이, 가
std::string ko_object(std::string_view word);   ///< 을, 를
std::string ko_and(std::string_view word);      ///< 과, 와
std::string ko_is(std::string_view word);       ///< 이다., 다.

}  // namespace nuri
