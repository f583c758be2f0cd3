// Finds, extracts and loads the native libraries.
package io.weft;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The system property weft.native.dir names a folder with libweft.so and libweft_jni.so. Otherwise those in the JAR, and
 * what libweft.so loads from its own folder when it needs it, are extracted once into a folder that is named by their hashes, below the property weft.cache.dir, XDG_CACHE_HOME or
 * ~/.cache, and, where that cannot be written, into a new temporary folder. A JAR that has none for the platform takes
 * those of java.library.path.
 *
 * <p>The JVM gives a library to one class loader only. In a further loader the core, which the process has once, is there
 * already; what is between it and the classes of that loader is loaded from a copy.
 */
final class NativeLoader {
  private static final List<String> NAMES = List.of("libweft.so", "libweft_jni.so");
  private static final Object LOCK = new Object();
  private static boolean loaded;

  private NativeLoader() {}

  static void load() {
    synchronized (LOCK) {
      if (loaded) return;
      Path folder = find();
      if (folder == null) {
        loadFromSystem();
      } else {
        loadFrom(folder);
      }
      loaded = true;
    }
    int major = Native.VERSION_MAJOR;
    int minor = Native.VERSION_MINOR;
    int found = Native.versionNumber() / 1000;
    if (found != major * 1000 + minor) {
      throw new UnsatisfiedLinkError(
          String.format(
              "weft.jar is version %d.%d and libweft is %s; use a JAR and a library of the same release",
              major, minor, Native.version()));
    }
  }

  private static void loadFrom(Path folder) {
    try {
      for (String name : NAMES) System.load(folder.resolve(name).toString());
    } catch (UnsatisfiedLinkError e) {
      if (!String.valueOf(e.getMessage()).contains("already loaded")) throw e;
      try {
        loadCopy(folder.resolve(NAMES.get(1)));
      } catch (IOException | UnsatisfiedLinkError why) {
        e.addSuppressed(why);
        throw e;
      }
    }
  }

  // The copy needs libweft by its name, as which the process has it; a file that is loaded may be deleted.
  private static void loadCopy(Path file) throws IOException {
    Path copy = Files.createTempFile("weft", file.getFileName().toString());
    try {
      Files.copy(file, copy, StandardCopyOption.REPLACE_EXISTING);
      System.load(copy.toString());
    } finally {
      Files.deleteIfExists(copy);
    }
  }

  static String platform() {
    String machine = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
    if (machine.equals("amd64")) machine = "x86_64";
    if (machine.equals("arm64")) machine = "aarch64";
    String system = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    return (system.startsWith("mac") ? "darwin" : system.split(" ")[0]) + "-" + machine;
  }

  private static void loadFromSystem() {
    try {
      System.loadLibrary("weft");
      System.loadLibrary("weft_jni");
    } catch (UnsatisfiedLinkError e) {
      UnsatisfiedLinkError error =
          new UnsatisfiedLinkError(
              "Weft has no native library for this platform: the JAR has no " + inside() + ", java.library.path has none ("
                  + e.getMessage() + "), and the system property weft.native.dir is not set to a folder with "
                  + String.join(" and ", NAMES));
      error.initCause(e);
      throw error;
    }
  }

  private static String inside() {
    return "/META-INF/native/" + platform() + "/";
  }

  /** The folder of the libraries; null if neither the property nor the JAR has them. */
  private static Path find() {
    String folder = System.getProperty("weft.native.dir");
    if (folder != null) {
      Path path = Path.of(folder).toAbsolutePath();
      for (String name : NAMES) {
        if (!Files.isRegularFile(path.resolve(name))) {
          throw new UnsatisfiedLinkError("weft.native.dir is " + path + ", and there is no " + name + " in it");
        }
      }
      return path;
    }
    String inside = inside();
    String hashes;
    try (InputStream in = NativeLoader.class.getResourceAsStream(inside + "hashes")) {
      if (in == null) return null;
      hashes = new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw failed(inside, e);
    }
    return extract(inside, hashes);
  }

  private static Path extract(String inside, String hashes) {
    List<String> tried = new ArrayList<>();
    for (Path base : bases()) {
      Path folder = base.resolve("weft").resolve(key(hashes));
      try {
        extractTo(inside, hashes, folder);
        return folder;
      } catch (IOException | SecurityException e) {
        tried.add(folder + " (" + e + ")");
      }
    }
    try {
      Path folder = Files.createTempDirectory("weft");
      folder.toFile().deleteOnExit();
      extractTo(inside, hashes, folder);
      for (String name : names(hashes)) folder.resolve(name).toFile().deleteOnExit();
      return folder;
    } catch (IOException e) {
      tried.add(System.getProperty("java.io.tmpdir") + " (" + e + ")");
      throw new UnsatisfiedLinkError("the native libraries could not be extracted; tried " + String.join(", ", tried));
    }
  }

  private static List<Path> bases() {
    List<Path> bases = new ArrayList<>();
    String chosen = System.getProperty("weft.cache.dir");
    if (chosen != null) return List.of(Path.of(chosen).toAbsolutePath());
    String cache = System.getenv("XDG_CACHE_HOME");
    if (cache != null && Path.of(cache).isAbsolute()) bases.add(Path.of(cache));
    String home = System.getProperty("user.home");
    if (home != null && Path.of(home).isAbsolute()) bases.add(Path.of(home, ".cache"));
    return bases;
  }

  // The beginnings of the files' hashes.
  private static String key(String hashes) {
    StringBuilder key = new StringBuilder();
    for (String line : hashes.split("\n")) key.append(key.length() > 0 ? "-" : "").append(line, 0, 16);
    return key.toString();
  }

  // The names of the files, which stand behind their hashes.
  private static List<String> names(String hashes) {
    return hashes.lines().map(line -> line.substring(line.lastIndexOf(' ') + 1)).toList();
  }

  // A file that is there has its whole content: it was renamed after it was written.
  private static void extractTo(String inside, String hashes, Path folder) throws IOException {
    Files.createDirectories(folder, onlyForUser(folder));
    for (String name : names(hashes)) {
      Path file = folder.resolve(name);
      if (Files.isRegularFile(file)) continue;
      Path part = Files.createTempFile(folder, name, ".part");
      try (InputStream in = NativeLoader.class.getResourceAsStream(inside + name)) {
        if (in == null) throw new IOException("the JAR has no " + inside + name);
        Files.copy(in, part, StandardCopyOption.REPLACE_EXISTING);
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
      } finally {
        Files.deleteIfExists(part);
      }
    }
  }

  private static FileAttribute<?>[] onlyForUser(Path folder) {
    if (!folder.getFileSystem().supportedFileAttributeViews().contains("posix")) return new FileAttribute<?>[0];
    return new FileAttribute<?>[] {
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"))
    };
  }

  private static UnsatisfiedLinkError failed(String what, IOException e) {
    UnsatisfiedLinkError error = new UnsatisfiedLinkError("could not read " + what + " from the JAR: " + e);
    error.initCause(e);
    return error;
  }
}
