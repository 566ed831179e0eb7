#include "cli/demo_text.h"

namespace nuri {
namespace {

struct Manual {
  const char* package;
  const char* pattern;  // inside the package
  const char* language;
};

// Korean pages of the guides are partly English; of those only lines with 20 % Hangul are kept. Of the English office
// help two parts are read, so that English does not outweigh Korean by more than it must.
constexpr Manual kManuals[] = {
    {"installation-guide-amd64", "usr/share/doc/installation-guide-amd64/ko/*.html", "ko"},
    {"installation-guide-amd64", "usr/share/doc/installation-guide-amd64/en/*.html", "en"},
    {"debian-handbook", "usr/share/doc/debian-handbook/html/ko-KR/*.html", "ko"},
    {"debian-handbook", "usr/share/doc/debian-handbook/html/en-US/*.html", "en"},
    {"debian-faq-ko", "usr/share/doc/debian/FAQ/ko", "ko"},
    {"debian-faq", "usr/share/doc/debian/FAQ/*.html", "en"},
    {"gimp-help-ko", "usr/share/gimp/2.0/help/ko/*.html", "ko"},
    {"gimp-help-en", "usr/share/gimp/2.0/help/en/*.html", "en"},
    {"libreoffice-help-ko", "usr/share/libreoffice/help/ko/text", "ko"},
    {"libreoffice-help-en-us", "usr/share/libreoffice/help/en-US/text/swriter", "en"},
    {"libreoffice-help-en-us", "usr/share/libreoffice/help/en-US/text/simpress", "en"},
};

}  // namespace

std::vector<std::string> manual_sources(const std::filesystem::path& packages, std::vector<std::string>& missing) {
  std::vector<std::string> out;
  for (const Manual& m : kManuals) {
    const std::filesystem::path root = packages / m.package;
    if (!std::filesystem::is_directory(root)) {
      if (missing.empty() || missing.back() != m.package) missing.push_back(m.package);
      continue;
    }
    const std::string language = m.language;
    out.push_back((root / m.pattern).string() + "::name=manuals_" + language + ",language=" + language +
                  ",licence=free documentation of Debian" + (language == "ko" ? ",hangul_lines=0.2" : ""));
  }
  return out;
}

}  // namespace nuri
